'use strict';
// Fills memory, frees it, purges, and prints what happened.

const fs = require('node:fs');
const heapgap = require('../..');

const MIB = 1024 * 1024;

function rss() {
  const rollup = fs.readFileSync('/proc/self/smaps_rollup', 'utf8');
  return Number(/^Rss:\s+(\d+) kB/m.exec(rollup)[1]) * 1024;
}

/** Buffers below glibc's mmap threshold, one in `keepEach` of which lives on between the others. */
function fill(bytes, size, keepEach) {
  const kept = [];
  let dropped = [];
  for (let made = 0, index = 0; made < bytes; made += size, index++) {
    const buffer = Buffer.allocUnsafeSlow(size).fill(1);
    (index % keepEach === 0 ? kept : dropped).push(buffer);
  }
  dropped = null;
  return kept;
}

/** V8 frees the memory of dead Buffers on another thread: collects until the allocator has it. */
async function collectUntil(done) {
  for (let tries = 0; tries < 200 && !done(); tries++) {
    globalThis.gc();
    await new Promise((resolve) => setImmediate(resolve));
  }
}

async function main() {
  const [megabytes, size, keepEach] = process.argv.slice(2).map(Number);
  const bytes = megabytes * MIB;
  const start = heapgap.stats().allocated;
  const kept = fill(bytes, size, keepEach);
  const full = heapgap.stats().allocated;
  // mimalloc does not count what is allocated: then, until V8 has let go of the Buffers.
  const dropped = (1 - 1 / keepEach) * bytes;
  const isFreed =
    start === null
      ? () => process.memoryUsage().arrayBuffers < bytes - 0.9 * dropped
      : () => full - heapgap.stats().allocated > 0.9 * dropped;
  await collectUntil(isFreed);
  const before = rss();
  const foretold = heapgap.stats();
  const reports = await Promise.all([heapgap.purge(), heapgap.purge(), heapgap.purge()]);
  const after = rss();
  const shared = reports.every((report) => report === reports[0]);
  process.stdout.write(
    JSON.stringify({ before, foretold, report: reports[0], shared, after, kept: kept.length }),
  );
}

main();
