'use strict';
// Loads heapgap/preload in a worker thread of a process that was told to stay as it is.

const { Worker } = require('node:worker_threads');

process.env.HEAPGAP_PRELOAD = '1';
const preload = require.resolve('../../../lib/preload.js');
const code = `const before = process.pid;
  require(${JSON.stringify(preload)});
  require('node:worker_threads').parentPort.postMessage(before === process.pid);`;
new Worker(code, { eval: true }).once('message', (same) => {
  const { name } = require('../../..').allocator();
  process.stdout.write(JSON.stringify({ same, name }));
});
