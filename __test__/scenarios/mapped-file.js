'use strict';

const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const lmdb = require('lmdb');
const { EVERY, scenario } = require('../support/scenario.js');

scenario(module, {
  cause: 'a database of 200 MB that is mapped into memory, LMDB',
  allocators: EVERY,
  verdict: 'mapped-files',
  async load({ MIB, watched }) {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'heapgap-'));
    const database = lmdb.open({ path: folder, encoding: 'binary', noSync: true });
    fs.rmSync(folder, { recursive: true });
    const row = Buffer.alloc(MIB, 1);
    for (let key = 0; key < 200; key++) await database.put(key, row);
    let key = 0;
    const window = await watched(2000, () => {
      for (let read = 0; read < 10; read++) database.getBinaryFast(key++ % 200).at(-1);
    });
    return { database, known: { mappedFiles: 200 * MIB }, window };
  },
});
