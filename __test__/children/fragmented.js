'use strict';
// Makes so many free chunks that glibc takes long to count them, then frees all, purges, and prints
// the report.

const heapgap = require('../..');

const COUNT = 300_000;
const SIZE = 1200;

const immediate = () => new Promise((resolve) => setImmediate(resolve));

/** V8 frees the memory of dead Buffers on another thread. */
async function collect(bytes) {
  for (let tries = 0; tries < 200; tries++) {
    globalThis.gc();
    await immediate();
    if (process.memoryUsage().arrayBuffers < bytes) return;
  }
}

/** Until synchronous calls answer with old figures. */
function slowDown() {
  for (let tries = 0; tries < 100; tries++) {
    const { allocated, ageMs } = heapgap.stats();
    const again = heapgap.stats();
    if (again.ageMs > ageMs && again.allocated === allocated) return again;
  }
  return null;
}

async function main() {
  let held = Array.from({ length: COUNT }, () => Buffer.allocUnsafeSlow(SIZE).fill(1));
  held = held.filter((_, index) => index % 2 === 0);
  await collect(0.6 * COUNT * SIZE);
  const slow = slowDown();
  held = held.length;
  await collect(0.1 * COUNT * SIZE);
  const stale = heapgap.stats();
  const report = await heapgap.purge();
  process.stdout.write(JSON.stringify({ slow, stale, report, held }));
}

main();
