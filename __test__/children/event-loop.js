'use strict';
// Fills memory, frees it and purges, twice, and prints what the event loop did meanwhile.

const heapgap = require('../..');

const MIB = 1024 * 1024;
const SIZE = 64 * 1024;

const immediate = () => new Promise((resolve) => setImmediate(resolve));

function hold(bytes) {
  return Array.from({ length: bytes / SIZE }, () => Buffer.allocUnsafeSlow(SIZE).fill(1));
}

async function makeDirty(bytes) {
  let held = hold(bytes);
  const full = heapgap.stats().allocated;
  held = held.length;
  for (let tries = 0; tries < 200; tries++) {
    globalThis.gc();
    await immediate();
    if (full - heapgap.stats().allocated > 0.9 * bytes) return;
  }
}

async function purge(bytes) {
  await makeDirty(bytes);
  const before = process.memoryUsage.rss();
  const purging = heapgap.purge();
  const released = before - process.memoryUsage.rss();
  let report;
  purging.then((settled) => {
    report = settled;
  });
  let turns = 0;
  for (; !report; turns++) await immediate();
  return { released, turns, report };
}

async function main() {
  const bytes = Number(process.argv[2]) * MIB;
  const first = await purge(bytes);
  const second = await purge(bytes);
  const same = first.report === second.report;
  process.stdout.write(JSON.stringify({ first, second, same }));
}

main();
