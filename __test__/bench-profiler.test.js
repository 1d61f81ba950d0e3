'use strict';
// What `npm run bench:profiler` goes by: when a target is met, and what holds the event loop. Not how quick anything is.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { setImmediate: turn } = require('node:timers/promises');
const v8 = require('node:v8');
const vm = require('node:vm');

const { watchHolds } = require('../bench/children/profiler/held.js');
const { judge } = require('../bench/profiler/judge.js');
const { atLeast, atMost } = require('../bench/report.js');

v8.setFlagsFromString('--expose-gc');
globalThis.gc ??= vm.runInNewContext('gc');

const BLOCK_MS = 50;
const steady = [0.98, 0.981, 0.98, 0.979, 0.98];
const wild = [0.7, 1.3, 0.9, 1.2, 0.98];

test('a target is met or missed where what varies does not reach it', () => {
  assert.equal(judge(steady, atLeast(0.95)), 'met');
  assert.equal(judge(steady, atLeast(0.99)), 'MISSED');
  assert.equal(judge(steady, atMost(0.99)), 'met');
  assert.equal(judge(steady, atMost(0.95)), 'MISSED');
});

test('it is neither where the values vary by more than the target leaves', () => {
  assert.equal(judge(wild, atLeast(0.95)), 'unclear: noise');
  assert.equal(judge(wild, atMost(1.01)), 'unclear: noise');
});

test('it is neither where two that are alike differ by more than that', () => {
  assert.equal(judge(steady, atLeast(0.95), 0.02), 'met');
  assert.equal(judge(steady, atLeast(0.95), 0.04), 'unclear: noise');
});

test('what blocks the thread is a hold, and the answer is passed on', async () => {
  const cell = new Int32Array(new SharedArrayBuffer(4));
  const { delayMs, heldMs, durationMs, answer } = await watchHolds(async () => {
    await turn();
    Atomics.wait(cell, 0, 0, BLOCK_MS);
    return 'answer';
  });
  assert.equal(answer, 'answer');
  // Blocked, it does not wait for a CPU; when it wakes, it may.
  assert.ok(heldMs >= BLOCK_MS - 1 && heldMs <= delayMs && delayMs <= durationMs, `${heldMs}`);
});

test('what fails is passed on, too', async () => {
  await assert.rejects(
    watchHolds(async () => {
      throw new Error('failed');
    }),
    /failed/,
  );
});
