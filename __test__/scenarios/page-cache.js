'use strict';

const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { scenario } = require('../support/scenario.js');

scenario(module, {
  cause: 'a file of 300 MB written and read, which stays in the page cache',
  verdict: 'page-cache',
  memory: 512 * 2 ** 20,
  async load({ MIB, watched }) {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'heapgap-'));
    const file = fs.openSync(path.join(folder, 'export'), 'w+');
    fs.rmSync(folder, { recursive: true });
    const chunk = Buffer.alloc(8 * MIB, 1);
    const window = await watched(7000, () => {
      if (fs.fstatSync(file).size < 300 * MIB) fs.writeSync(file, chunk);
    });
    for (let offset = 0; offset < 300 * MIB; offset += chunk.length) {
      fs.readSync(file, chunk, 0, chunk.length, offset);
    }
    return { file, window };
  },
});
