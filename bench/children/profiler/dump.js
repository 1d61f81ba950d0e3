'use strict';
// Fills so much memory from many stacks, and times profiles in each format; prints that, and how long the event loop was
// held at the most meanwhile and in as long without one. Arguments: bytes, stacks, profiles in each format.

const { setTimeout: rest } = require('node:timers/promises');

const { profiler, stats } = require('../../..');
const { jeheapBytes } = require('../../../__test__/support/pprof.js');
const { shuffled } = require('../../order.js');
const { watchHolds } = require('./held.js');

const [bytes, stacks, times] = process.argv.slice(2).map(Number);
const FORMATS = ['jeheap', 'pprof', 'flamegraph'];
const SAMPLE_BYTES = 512 * 1024;
/** Sizes of what services keep. */
const SIZES = [4_000, 16_384, 50_000, 100_000, 300_000];
/** V8 goes on collecting for a while, which holds the event loop too. */
const SETTLE_MS = 500;
/** Some 2000 samples are off by 2 %; what is off by so much is another profile. */
const MOST_OFF = 0.2;
const kept = [];

/** Three functions that nobody else calls, in which the memory is taken. */
const taker = (index) =>
  new Function(
    'take',
    `function inner${index}(size) { return take(size); }
     function middle${index}(size) { return inner${index}(size); }
     return function outer${index}(size) { return middle${index}(size); };`,
  )((size) => Buffer.allocUnsafeSlow(size));

/** Each stack in turn, which takes each size in turn. */
function fill() {
  const takers = Array.from({ length: stacks }, (_, index) => taker(index));
  let taken = 0;
  for (let turn = 0; taken < bytes; turn += 1) {
    const size = SIZES[Math.floor(turn / stacks) % SIZES.length];
    kept.push(takers[turn % stacks](size));
    taken += size;
  }
  return taken;
}

async function timed(format) {
  const { answer, ...dump } = await watchHolds(() => profiler.dump({ format }));
  const quiet = await watchHolds(() => rest(dump.durationMs));
  return { format, ...dump, quietHeldMs: quiet.heldMs, kilobytes: answer.length / 1e3 };
}

/** An empty profile would be a quick one. */
async function sampled(taken) {
  const found = jeheapBytes(String(await profiler.dump({ format: 'jeheap' })));
  if (Math.abs(found.bytes / taken - 1) > MOST_OFF || found.stacks < stacks)
    throw new Error(`a profile of ${taken} bytes has ${found.bytes} in ${found.stacks} stacks`);
  return found;
}

async function main() {
  await profiler.start({ sampleBytes: SAMPLE_BYTES });
  const taken = fill();
  await rest(SETTLE_MS);
  const dumps = [];
  for (let turn = 0; turn < times; turn += 1)
    for (const format of shuffled(FORMATS, turn)) dumps.push(await timed(format));
  const { bytes: sampledBytes, stacks: sampledStacks } = await sampled(taken);
  const allocatedMb = stats().allocated / 2 ** 20;
  const profile = { sampledMb: sampledBytes / 2 ** 20, sampledStacks };
  console.log(JSON.stringify({ dumps, allocatedMb, ...profile, kept: kept.length }));
}

main();
