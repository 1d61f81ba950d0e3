'use strict';
// What `profiler` does. Each call of the addon's waits on a thread of its own.

const { setTimeout: pause } = require('node:timers/promises');

const { busy, profilerFailed, profilerUnavailable } = require('../errors.js');
const { addon } = require('../native.js');
const { MAX_MS, readOptions } = require('../options.js');
const { state } = require('../profiler.js');
const { rendering } = require('./rendering.js');

/** jemalloc takes powers of two (jemalloc(3), opt.lg_prof_sample). */
const LEAST_SAMPLE_BYTES = 1024;
const MOST_SAMPLE_BYTES = 2 ** 30;

const SAMPLE_BYTES = {
  default: undefined,
  check: (value) => value >= LEAST_SAMPLE_BYTES && value <= MOST_SAMPLE_BYTES,
  expected: `a number from ${LEAST_SAMPLE_BYTES} to ${MOST_SAMPLE_BYTES}`,
};

const exponentOf = (sampleBytes) => Math.round(Math.log2(sampleBytes));

const format = (names) => ({
  default: 'pprof',
  check: (value) => names.includes(value),
  expected: `a string, one of ${names.join(', ')}`,
});

const START = { sampleBytes: SAMPLE_BYTES };
const DUMP = { format: format(['pprof', 'flamegraph', 'jeheap']) };
const PROFILE = {
  seconds: {
    default: 30,
    check: (value) => value > 0 && value * 1000 <= MAX_MS,
    expected: `a number above 0, up to ${Math.floor(MAX_MS / 1000)}`,
  },
  format: format(['pprof', 'flamegraph']),
  sampleBytes: SAMPLE_BYTES,
  signal: {
    default: undefined,
    check: (value) => value instanceof AbortSignal,
    expected: 'an AbortSignal',
  },
};

/** Runs one of the addon's calls. */
async function native(name, ...args) {
  const { why } = state();
  if (why !== null) throw profilerUnavailable(why);
  try {
    return await addon[name](...args);
  } catch (error) {
    throw profilerFailed(error);
  }
}

async function start(options) {
  const { sampleBytes } = readOptions(START, options, 'profiler.start');
  return startAt(sampleBytes);
}

const RATE = {
  field: 'sampleBytes',
  reason:
    'this process was sampled at another rate already, and jemalloc cannot change it safely after that',
};

async function startAt(sampleBytes) {
  const exponent = sampleBytes === undefined ? undefined : exponentOf(sampleBytes);
  const reason = await native('profilerStart', exponent);
  const { active, sampleBytes: actual } = state();
  const notes = reason === null ? [] : [{ field: 'javascript', reason }];
  if (exponent !== undefined && actual !== 2 ** exponent) notes.push(RATE);
  return { active, sampleBytes: actual, notes };
}

const stop = () => native('profilerStop');

const reset = () => native('profilerReset');

/** What jemalloc's `text` says, in `as`, less what it said `before`. */
const render = (text, as, growth) => native('profilerRender', text, rendering(as, growth));

async function dump(options) {
  const settings = readOptions(DUMP, options, 'profiler.dump');
  const isPlain = settings.format === 'jeheap';
  const text = await native('profilerDump', isPlain);
  return isPlain ? text : render(text, settings.format);
}

let profiling = false;

async function profile(options) {
  const settings = readOptions(PROFILE, options, 'profiler.profile');
  if (profiling) throw busy('another profile is under way');
  profiling = true;
  try {
    return await grow(settings);
  } finally {
    profiling = false;
  }
}

/** What is allocated from now on and still live then; starts the profiler for as long, where it does not run. */
async function grow({ seconds, format: as, sampleBytes, signal }) {
  const { active: wasActive } = state();
  await startAt(sampleBytes);
  const began = performance.now();
  let before;
  let after;
  try {
    before = await native('profilerDump', false);
    // Who waits keeps the process alive, if somebody should: a request does.
    await pause(seconds * 1000, undefined, { ref: false, signal });
    after = await native('profilerDump', false);
  } finally {
    if (!wasActive) await stop();
  }
  return render(after, as, { before, durationMs: performance.now() - began });
}

module.exports = { SAMPLE_BYTES, dump, exponentOf, profile, reset, start, stop };
