'use strict';
// Writes a line for each time that Node.js starts.

if (require('node:worker_threads').isMainThread) {
  require('node:fs').appendFileSync(process.env.HG_STARTS, `${process.pid}\n`);
}
