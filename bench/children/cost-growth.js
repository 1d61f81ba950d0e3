'use strict';
// Grows, and times heapgap's calls. Arguments: the addon with what to grow by, over what to grow, how far, the
// number of rounds, and the rest in milliseconds between those of synchronous calls.

const { readFileSync } = require('node:fs');
const { setTimeout: rest } = require('node:timers/promises');
const v8 = require('node:v8');
const heapgap = require('../..');
const { spread } = require('../statistics.js');
const { micros, watchLoop } = require('./timing.js');

const [addon, over, ...numbers] = process.argv.slice(2);
const [at, rounds, restMs] = numbers.map(Number);
const grower = require(addon);

const GIB = 2 ** 30;
/** Of doubles: 4 KB, which V8 moves around as it does small objects. */
const ARRAY = 512;
/** More mappings may come and go with V8's heap and threads. */
const TOLERANCE = 0.05;
/** V8 goes on collecting after the heap has grown. */
const SETTLE_MS = 1000;

const threads = () => heapgap.snapshot().process.threads;
const mappings = () => readFileSync('/proc/self/maps', 'latin1').split('\n').length - 1;
const arenas = () => heapgap.stats().arenas;
const heap = () => v8.getHeapStatistics().used_heap_size / GIB;

const held = [];

function fillHeap() {
  while (heap() < at) {
    for (let count = 0; count < 1000; count++) held.push(new Array(ARRAY).fill(count + 0.5));
  }
  globalThis.gc();
}

/** Adds what is missing. */
function fillUp(add, count) {
  const before = count();
  if (before > at) throw new Error(`there are ${before} ${over} already, more than ${at}`);
  add(at - before);
}

const GROWTH = {
  arenas: { grow: () => grower.useArenas(at), count: arenas },
  threads: { grow: () => fillUp(grower.holdThreads, threads), count: threads },
  mappings: { grow: () => fillUp(grower.splitMappings, mappings), count: mappings },
  heap: { grow: fillHeap, count: heap },
};

function grow() {
  const { grow, count } = GROWTH[over];
  grow();
  const counted = count();
  if (counted < at * (1 - TOLERANCE))
    throw new Error(`grew to ${counted} instead of ${at} ${over}`);
}

function synchronous() {
  return {
    statsUs: micros(() => heapgap.stats()),
    statsAgeMs: heapgap.stats().ageMs,
    snapshotUs: micros(() => heapgap.snapshot()),
    memoryUsageUs: micros(() => process.memoryUsage()),
  };
}

async function inspection() {
  const { delayMs, durationMs } = await watchLoop(() => heapgap.inspect());
  return { inspectMs: durationMs, inspectLoopMs: delayMs };
}

/** After a first that warms up. */
async function inRounds(work, pauseMs = 0) {
  await work();
  const results = [];
  while (results.length < rounds) {
    await rest(pauseMs);
    results.push(await work());
  }
  return results;
}

/** The spread of each figure. */
const spreads = (results) =>
  Object.fromEntries(
    Object.keys(results[0]).map((name) => [name, spread(results.map((result) => result[name]))]),
  );

async function main() {
  // Bound to the live allocator by its first call.
  grower.allocator();
  grow();
  await rest(SETTLE_MS);
  const point = {
    at,
    ...spreads(await inRounds(synchronous, restMs)),
    ...spreads(await inRounds(inspection)),
  };
  // The threads that were added never end.
  process.stdout.write(JSON.stringify(point), () => process.exit());
}

main();
