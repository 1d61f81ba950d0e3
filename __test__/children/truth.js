'use strict';
// Allocates a known amount and prints what heapgap, the allocator and the kernel say about it.

const fs = require('node:fs');
const heapgap = require('../..');
const { addon } = require('../../lib/native.js');
const table = require('../../lib/table.js');

const MIB = 1024 * 1024;
const COUNT = Number(process.argv[2]);

function kernel() {
  const kib = (text, name) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)[1]);
  const rollup = fs.readFileSync('/proc/self/smaps_rollup', 'utf8');
  const status = fs.readFileSync('/proc/self/status', 'utf8');
  const threads = Number(/^Threads:\s+(\d+)/m.exec(status)[1]);
  return {
    rss: kib(rollup, 'Rss') * 1024,
    peak: kib(status, 'VmHWM') * 1024,
    anon: kib(rollup, 'Anonymous') * 1024,
    threads,
    // The listing has a descriptor of its own; where the kernel does not count, neither does heapgap.
    fds:
      fs.statSync('/proc/self/fd').size === 0 ? null : fs.readdirSync('/proc/self/fd').length - 1,
  };
}

async function main() {
  heapgap.stats();
  globalThis.gc();
  const before = heapgap.stats();
  const held = [];
  for (let i = 0; i < COUNT; i++) held.push(Buffer.allocUnsafeSlow(MIB).fill(1));
  const after = heapgap.stats();
  // The first opens files that stay open.
  heapgap.snapshot();
  const snapshot = heapgap.snapshot();
  const truth = kernel();
  const isJemalloc = heapgap.allocator().name === 'jemalloc';
  const { printout, stats } = isJemalloc ? await addon.printout() : {};
  const ours = stats && table.allocatorOf({}, stats.figures);
  const result = { before, after, snapshot, truth, printout, ours, held: held.length };
  // Node-API hands the printout's integers over as BigInt.
  const plain = (_, value) => (typeof value === 'bigint' ? Number(value) : value);
  process.stdout.write(JSON.stringify(result, plain));
}

main();
