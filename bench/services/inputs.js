'use strict';
// What the services are given as arguments, made once for all runs: other services, files.

const crypto = require('node:crypto');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const { end, ending, portOf, start } = require('../process.js');
const { makePhotographs } = require('./photographs.js');

const MIB = 2 ** 20;
const UPSTREAM = path.join(__dirname, 'upstream.js');

/** `words` by the workload's name; `remove` when all runs are over. */
async function makeInputs() {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'heapgap-bench-'));
  const photographs = path.join(folder, 'photographs');
  fs.mkdirSync(photographs);
  await makePhotographs(photographs);
  const file = path.join(folder, 'file');
  fs.writeFileSync(file, crypto.randomBytes(MIB));
  const upstream = start([process.execPath, UPSTREAM]);
  const port = await portOf(upstream);
  if (port === null) throw new Error(`${UPSTREAM} ${ending(await upstream.exited)}`);
  return {
    words: { gateway: [String(port)], images: [photographs], render: [], pool: [file] },
    async remove() {
      await end(upstream);
      fs.rmSync(folder, { recursive: true, force: true });
    },
  };
}

module.exports = { makeInputs };
