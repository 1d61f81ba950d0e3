'use strict';
// Leaves garbage behind, and prints what an experiment makes of it.

const heapgap = require('../..');

const MIB = 2 ** 20;
/** Below glibc's mmap threshold, so that the allocator keeps what V8 frees. */
const SIZE = 64 * 1024;

let held = [];

/** Lets the Buffers of a dead object go, as a library does that keeps them for it. */
const finalizers = new FinalizationRegistry((buffers) => {
  buffers.length = 0;
});

/** `mib` MiB, half of it Buffers that finalizers let go, half of it JavaScript objects. */
function hold(mib) {
  const buffers = [];
  for (let i = 0; i < (mib * MIB) / 2 / SIZE; i++)
    buffers.push(Buffer.allocUnsafeSlow(SIZE).fill(1));
  held.push({});
  finalizers.register(held[0], buffers);
  // An array of doubles: eight bytes each.
  for (let i = 0; i < (mib * MIB) / 2 / SIZE; i++) held.push(new Array(SIZE / 8).fill(0.5));
}

async function main() {
  const [mib] = process.argv.slice(2).map(Number);
  hold(mib);
  const before = typeof globalThis.gc;
  const asked = [heapgap.diagnose({ experiment: true }), heapgap.diagnose({ experiment: true })];
  // V8 might collect sooner on its own: held until the start has been measured, which is some promises
  // from here, and let go before anything else can happen.
  for (let promises = 0; promises < 100; promises++) await null;
  held = [];
  const both = await Promise.all(asked);
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
