'use strict';
// How long calls take.

/** Calls between two looks at the clock, which costs as much as the quickest of them. */
const CALLS = 10;

/** Microseconds that one call takes on average, of as many as fill the time. */
function micros(call, forMs = 10) {
  const started = performance.now();
  let calls = 0;
  let takenMs = 0;
  while (takenMs < forMs) {
    for (let i = 0; i < CALLS; i++) call();
    calls += CALLS;
    takenMs = performance.now() - started;
  }
  return (takenMs * 1e3) / calls;
}

/**
 * The longest time between two turns of the event loop until `promise` settles, in milliseconds. Leaves little for
 * V8 to collect, which would hold the loop as well, the longer the larger the heap.
 */
function longestDelay(promise) {
  let settled = false;
  const settle = () => {
    settled = true;
  };
  promise.then(settle, settle);
  let longest = 0;
  let last = performance.now();
  return new Promise((resolve) => {
    const turn = () => {
      const now = performance.now();
      longest = Math.max(longest, now - last);
      last = now;
      if (settled) resolve(longest);
      else setImmediate(turn);
    };
    setImmediate(turn);
  });
}

/** Makes an asynchronous call: how long it held the event loop at most, how long it took, what it answered. */
async function watchLoop(call) {
  // What there is to collect already is nobody's doing here.
  globalThis.gc({ type: 'minor' });
  const started = performance.now();
  const calling = call();
  // What the call itself does on the JavaScript thread, before anything is waited for.
  const called = performance.now() - started;
  const delayMs = Math.max(called, await longestDelay(calling));
  const durationMs = performance.now() - started;
  return { delayMs, durationMs, answer: await calling };
}

module.exports = { longestDelay, micros, watchLoop };
