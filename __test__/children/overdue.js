'use strict';
// Starts threads, which take arenas of their own, so that a refresh will take more than a
// millisecond; prints how old the figures are then and when a refresh is due.

const { randomFill } = require('node:crypto');
const heapgap = require('../..');
const { addon } = require('../../lib/native.js');
const { freshSnapshot } = require('../../lib/read.js');
const table = require('../../lib/table.js');

const THREADS = Number(process.env.UV_THREADPOOL_SIZE);

/** Enough work at once that each thread of the pool wakes up and allocates. */
function startThreads() {
  const jobs = Array.from({ length: 8 * THREADS }, () => {
    return new Promise((resolve) => randomFill(Buffer.alloc(65536), resolve));
  });
  return Promise.all(jobs);
}

/** Looks at the last reading until `done`; unlike stats() it starts no refresh. */
async function look(done) {
  const slots = table.emptySlots();
  for (let tries = 0; tries < 3000; tries++) {
    addon.readStats(slots, 0);
    if (done(slots)) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error('the last reading stayed as it was');
}

async function main() {
  // The first call of each compiles it, which takes as long as a refresh.
  heapgap.snapshot();
  heapgap.stats();
  const started = performance.now();
  await startThreads();
  const elapsed = performance.now() - started;
  const { ageMs, arenas } = heapgap.stats();
  await look(table.isOverdue);
  const result = { elapsed, ageMs, arenas };
  const asked = performance.now();
  if (process.argv[2] === 'stats') {
    result.due = heapgap.stats().ageMs;
    const age = (slots) => table.statsOf('', slots, []).ageMs;
    await look((slots) => age(slots) < performance.now() - asked);
  } else {
    const { allocator } = await freshSnapshot();
    result.sinceAsked = performance.now() - asked;
    result.fresh = allocator.ageMs;
  }
  process.stdout.write(JSON.stringify(result));
}

main();
