'use strict';
// Makes 1 GiB of dirty pages, purges them, and prints how long the event loop was held meanwhile.

const heapgap = require('../..');
const { longestDelay } = require('./event-loop.js');

const GIB = 2 ** 30;
const SIZE = 256 * 1024;

async function makeDirty() {
  let buffers = [];
  for (let made = 0; made < GIB; made += SIZE) buffers.push(Buffer.allocUnsafeSlow(SIZE).fill(1));
  buffers = null;
  for (let tries = 0; tries < 200 && heapgap.stats().dirty < GIB; tries++) {
    globalThis.gc();
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** V8 goes on collecting for a while, which holds the event loop too. */
const settle = () => new Promise((resolve) => setTimeout(resolve, 500));

async function main() {
  await makeDirty();
  await settle();
  const started = performance.now();
  const purging = heapgap.purge();
  // Includes what purge() itself does on the JavaScript thread.
  const called = performance.now() - started;
  const delayMs = Math.max(called, await longestDelay(purging));
  const { durationMs, released } = await purging;
  const rest = new Promise((resolve) => setTimeout(resolve, durationMs));
  const idleDelayMs = await longestDelay(rest);
  process.stdout.write(
    JSON.stringify({ delayMs, idleDelayMs, durationMs, releasedMiB: released / 2 ** 20 }),
  );
}

main();
