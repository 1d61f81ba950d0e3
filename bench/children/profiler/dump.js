'use strict';
// Fills so much memory from many stacks, sampled at the default rate, and times a profile in each format; prints that, and
// how long the event loop was held meanwhile at the most. Arguments: bytes, stacks.

const { profiler, stats } = require('../../..');

const [bytes, stacks] = process.argv.slice(2).map(Number);
const FORMATS = ['jeheap', 'pprof', 'flamegraph'];
/** Sizes of what services keep. */
const SIZES = [4_000, 16_384, 50_000, 100_000, 300_000];
const kept = [];

/** Three functions that nobody else calls, in which the memory is taken. */
const taker = (index) =>
  new Function(
    'take',
    `function inner${index}(size) { return take(size); }
     function middle${index}(size) { return inner${index}(size); }
     return function outer${index}(size) { return middle${index}(size); };`,
  )((size) => Buffer.allocUnsafeSlow(size));

function fill() {
  const takers = Array.from({ length: stacks }, (_, index) => taker(index));
  for (let taken = 0, turn = 0; taken < bytes; turn += 1) {
    const size = SIZES[turn % SIZES.length];
    kept.push(takers[turn % stacks](size));
    taken += size;
  }
}

/** Runs `work` while the event loop spins; answers the longest turn, too. */
async function held(work) {
  let done = false;
  let longest = 0;
  let last = performance.now();
  const settled = work().finally(() => {
    done = true;
  });
  while (!done) {
    await new Promise(setImmediate);
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
  }
  return { result: await settled, longestMs: longest };
}

async function timed(format) {
  const began = performance.now();
  const { result, longestMs } = await held(() => profiler.dump({ format }));
  return [format, { ms: performance.now() - began, longestMs, kilobytes: result.length / 1e3 }];
}

async function main() {
  await profiler.start();
  fill();
  const nothing = await held(() => new Promise((resolve) => setTimeout(resolve, 500)));
  const dumps = [];
  for (const format of FORMATS) dumps.push(await timed(format));
  const allocatedMb = stats().allocated / 2 ** 20;
  const found = { idleMs: nothing.longestMs, dumps: Object.fromEntries(dumps), allocatedMb };
  console.log(JSON.stringify({ ...found, kept: kept.length }));
}

main();
