'use strict';
// Leaves Buffers to V8's garbage collector while the governor is under pressure. `gc` is its option.

const { setTimeout: sleep } = require('node:timers/promises');
const { govern } = require('../..');
const { MIB, fill, hear, main, next, report, rss, until } = require('../support/govern.js');

const arrayBuffers = () => process.memoryUsage().arrayBuffers;

main(async (gc) => {
  const governor = govern({ limit: rss() + 128 * MIB, gc: gc === 'true', maxIntervalMs: 50 });
  const heard = hear(governor);
  const pressed = next(governor, 'pressure');
  let buffers = fill(192 * MIB);
  const held = arrayBuffers();
  const { length } = buffers;
  await pressed;
  // A collection that these very Buffers made V8 begin finds them alive.
  await sleep(500);
  buffers = null;
  if (gc === 'true') {
    await until(() => arrayBuffers() < 64 * MIB, 'a collection');
    await until(() => rss() < governor.state().limit * 0.8, 'less memory');
  } else {
    // V8 has no reason of its own to collect in a program that does nothing.
    await sleep(1500);
  }
  const left = arrayBuffers();
  const state = governor.state();
  await governor.stop();
  report({ held, left, length, state, heard, globalGc: typeof globalThis.gc });
});
