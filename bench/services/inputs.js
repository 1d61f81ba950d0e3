'use strict';
// What the services are given as arguments, made once for all runs: other services, files.

const crypto = require('node:crypto');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const { MIB, end, ending, portOf, start } = require('../process.js');
const { makePhotographs } = require('./photographs.js');

const UPSTREAM = path.join(__dirname, 'upstream.js');

/** `words` by the workload's name; `remove` when all runs are over. Files go when the process does. */
async function makeInputs() {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'heapgap-bench-'));
  process.once('exit', () => fs.rmSync(folder, { recursive: true, force: true }));
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
    remove: () => end(upstream),
  };
}

module.exports = { makeInputs };
