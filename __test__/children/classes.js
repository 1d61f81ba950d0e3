'use strict';
// Fills one size class, frees three of four, and prints what the allocator and heapgap say of it.

const heapgap = require('../..');
const { addon } = require('../../lib/native.js');
const table = require('../../lib/table.js');

const [COUNT, SIZE] = process.argv.slice(2).map(Number);

/** V8 frees the memory of dead Buffers on another thread. */
async function collect(bytes) {
  for (let tries = 0; tries < 200; tries++) {
    globalThis.gc();
    await new Promise((resolve) => setImmediate(resolve));
    if (heapgap.stats().allocated < bytes) return;
  }
}

async function look() {
  const { stats, ...rest } = await addon.printout();
  return { ...rest, stats: table.allocatorOf({}, stats.figures) };
}

async function main() {
  const start = heapgap.stats().allocated;
  let held = Array.from({ length: COUNT }, () => Buffer.allocUnsafeSlow(SIZE).fill(1));
  const full = await look();
  held = held.filter((_, index) => index % 4 === 0);
  await collect(start + (COUNT / 3) * SIZE);
  const sparse = await look();
  // Node-API hands integers over as BigInt.
  const plain = (_, value) => (typeof value === 'bigint' ? Number(value) : value);
  process.stdout.write(JSON.stringify({ full, sparse, held: held.length }, plain));
}

main();
