'use strict';
// Makes so many bytes of dirty pages, purges them, and prints how long the event loop was held meanwhile.

const { setTimeout: rest } = require('node:timers/promises');
const heapgap = require('../..');
const { longestDelay, watchLoop } = require('./timing.js');

const MIB = 2 ** 20;
const SIZE = 256 * 1024;
/** V8 goes on collecting for a while, which holds the event loop too. */
const SETTLE_MS = 500;

async function makeDirty(bytes) {
  let buffers = [];
  for (let made = 0; made < bytes; made += SIZE) buffers.push(Buffer.allocUnsafeSlow(SIZE).fill(1));
  buffers = null;
  for (let tries = 0; tries < 200 && heapgap.stats().dirty < bytes; tries++) {
    globalThis.gc();
    await new Promise((resolve) => setImmediate(resolve));
  }
}

async function main() {
  // The first has V8 load and compile what it needs, however much there is to purge.
  await heapgap.purge();
  await makeDirty(Number(process.argv[2]));
  await rest(SETTLE_MS);
  const { dirty } = heapgap.stats();
  const { delayMs, answer } = await watchLoop(() => heapgap.purge());
  const { durationMs, released } = answer;
  const idleDelayMs = await longestDelay(rest(durationMs));
  process.stdout.write(
    JSON.stringify({
      dirtyMb: dirty / MIB,
      delayMs,
      idleDelayMs,
      durationMs,
      releasedMb: released / MIB,
    }),
  );
}

main();
