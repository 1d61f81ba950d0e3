'use strict';
// Leaves garbage behind, and prints what an experiment makes of it.

const heapgap = require('../..');

const MIB = 2 ** 20;
/** Below glibc's mmap threshold, so that the allocator keeps what V8 frees. */
const SIZE = 64 * 1024;

/** Garbage of `mib` MiB, half of it Buffers, half of it JavaScript objects; made in a function of its own. */
function litter(mib) {
  const held = [];
  for (let i = 0; i < (mib * MIB) / 2 / SIZE; i++) held.push(Buffer.allocUnsafeSlow(SIZE).fill(1));
  // An array of doubles: eight bytes each.
  for (let i = 0; i < (mib * MIB) / 2 / SIZE; i++) held.push(new Array(SIZE / 8).fill(0.5));
  return held.length;
}

async function main() {
  const [mib] = process.argv.slice(2).map(Number);
  litter(mib);
  const before = typeof globalThis.gc;
  const both = await Promise.all([
    heapgap.diagnose({ experiment: true }),
    heapgap.diagnose({ experiment: true }),
  ]);
  const context = require('node:vm').runInNewContext('typeof gc');
  process.stdout.write(
    JSON.stringify({
      shared: both[0] === both[1],
      gc: [before, typeof globalThis.gc, context],
      ...both[0],
    }),
  );
}

main();
