'use strict';
// A worker thread fills memory and ends; then purges, and prints the report.

const { once } = require('node:events');
const { Worker, isMainThread } = require('node:worker_threads');
const heapgap = require('../..');

const MIB = 1024 * 1024;
const SIZE = 64 * 1024;

function fill(bytes) {
  return Array.from({ length: bytes / SIZE }, () => Buffer.allocUnsafeSlow(SIZE).fill(1)).length;
}

async function main() {
  await once(new Worker(__filename, { argv: process.argv.slice(2) }), 'exit');
  process.stdout.write(JSON.stringify(await heapgap.purge()));
}

if (isMainThread) main();
else fill(Number(process.argv[2]) * MIB);
