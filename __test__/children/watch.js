'use strict';
// Watches itself through collections it asks for (--expose-gc), and prints what became of it.

const { once } = require('node:events');
const { Worker, isMainThread, parentPort } = require('node:worker_threads');
const heapgap = require('../..');
const { NAMES, longestWatch, rowsOf } = require('../../lib/watch.js');

const turn = () => new Promise(setImmediate);

function rows(watch) {
  const flat = rowsOf(watch);
  const count = flat.length / NAMES.length;
  return Array.from({ length: count }, (_, row) =>
    Object.fromEntries(
      NAMES.map((name, column) => {
        const value = flat[row * NAMES.length + column];
        return [name, Number.isNaN(value) ? null : value];
      }),
    ),
  );
}

/** Collects until the observer has been told of `count` major collections. */
async function collected(watch, count) {
  for (;;) {
    watch.sample();
    if (rows(watch).at(-1).majorGcs >= count) return;
    global.gc();
    await turn();
  }
}

async function collections() {
  const watch = heapgap.watch({ intervalMs: 60_000 });
  // V8 tells of a minor collection as it does of a major one.
  global.gc({ type: 'minor' });
  await turn();
  await turn();
  const minor = rows(watch);
  await collected(watch, 5);
  const major = rows(watch);
  watch.stop();
  return { minor, major };
}

/** How many of `count` watches are still in memory after their end. */
async function left(count) {
  const seen = Array.from({ length: count }, () => {
    const watch = heapgap.watch({ capacity: 2 });
    watch.sample();
    watch.stop();
    return new WeakRef(watch);
  });
  for (let i = 0; i < 3; i++) {
    await turn();
    global.gc();
  }
  return seen.filter((reference) => reference.deref() !== undefined).length;
}

async function inWorker() {
  const worker = new Worker(__filename);
  const [[answer]] = await Promise.all([once(worker, 'message'), once(worker, 'exit')]);
  return answer;
}

async function main() {
  const held = Array.from({ length: 1e6 }, (_, index) => ({ index }));
  const found = { ...(await collections()), left: await left(1000), worker: await inWorker() };
  const disposes = typeof heapgap.watch().constructor.prototype[Symbol.dispose] === 'function';
  // A running watch, which is not to keep the process alive.
  heapgap.watch({ intervalMs: 10 });
  process.stdout.write(
    JSON.stringify({
      ...found,
      disposes,
      hasDispose: Symbol.dispose !== undefined,
      held: held.length,
    }),
  );
}

if (isMainThread) main();
else {
  const watch = heapgap.watch({ intervalMs: 10 });
  watch.sample();
  parentPort.postMessage({ rows: rows(watch), own: longestWatch() === watch });
}
