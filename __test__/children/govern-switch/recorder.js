'use strict';
// Stands for lib/govern.js in a copy of the package: writes down each call, on a line of its own.

const fs = require('node:fs');
const { allocator } = require('./native.js');

let running = false;

function govern(options, how) {
  running = true;
  const call = { pid: process.pid, allocator: allocator().name, options, how };
  fs.appendFileSync(process.env.HG_CALLS, `${JSON.stringify(call)}\n`);
}

const governorFigures = () => (running ? { running } : null);

module.exports = { govern, governorFigures };
