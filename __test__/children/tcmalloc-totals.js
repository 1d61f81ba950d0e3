'use strict';
// Fills memory, frees half of it, purges, and prints the figures. tcmalloc prints its own at the end.

const fs = require('node:fs');
const heapgap = require('../..');

const COUNT = 1024;

async function main() {
  let held = Array.from({ length: COUNT }, () => Buffer.allocUnsafeSlow(128 * 1024).fill(1));
  held = held.filter((_, index) => index < COUNT / 2);
  for (let tries = 0; tries < 100; tries++) {
    globalThis.gc();
    await new Promise((resolve) => setImmediate(resolve));
  }
  await heapgap.purge();
  fs.writeSync(1, JSON.stringify({ stats: heapgap.stats(), held: held.length }));
}

main();
