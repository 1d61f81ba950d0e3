'use strict';
// What holds the event loop, apart from the scheduler. On few CPUs any other thread that works has the kernel take the
// JavaScript thread's turn away for some milliseconds, which timing.js cannot tell from a hold.

const fs = require('node:fs');

const ENOUGH = 64;
const NS_PER_MS = 1e6;

/** Of this thread. Its second number is the time it was ready and had no CPU, in ns (the kernel's sched-stats.rst). */
const file = fs.openSync('/proc/thread-self/schedstat', 'r');
const text = Buffer.alloc(ENOUGH);

function waited() {
  const length = fs.readSync(file, text, 0, ENOUGH, 0);
  return Number(text.latin1Slice(0, length).split(' ')[1]) / NS_PER_MS;
}

/** Both of one instant: between the two readings the turn may be taken away. */
function clocks() {
  for (;;) {
    const before = waited();
    const nowMs = performance.now();
    if (waited() === before) return { nowMs, waitedMs: before };
  }
}

/**
 * Makes an asynchronous call. Answers how long it took, the longest turn of the event loop meanwhile (`delayMs`), and the
 * longest of those less the wait for a CPU (`heldMs`): the thread worked, or was blocked.
 */
async function watchHolds(call) {
  // What there is to collect already is nobody's doing here.
  globalThis.gc({ type: 'minor' });
  const began = clocks();
  let last = began;
  let settled = false;
  let [delayMs, heldMs] = [0, 0];
  const calling = call();
  const settle = () => {
    settled = true;
  };
  calling.then(settle, settle);
  await new Promise((resolve) => {
    const turn = () => {
      const now = clocks();
      const passedMs = now.nowMs - last.nowMs;
      delayMs = Math.max(delayMs, passedMs);
      heldMs = Math.max(heldMs, passedMs - (now.waitedMs - last.waitedMs));
      last = now;
      if (settled) resolve();
      else setImmediate(turn);
    };
    setImmediate(turn);
  });
  return { delayMs, heldMs, durationMs: last.nowMs - began.nowMs, answer: await calling };
}

module.exports = { watchHolds };
