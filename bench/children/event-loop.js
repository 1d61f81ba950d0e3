'use strict';

/** The longest time between two turns of the event loop until `promise` settles, in milliseconds. */
async function longestDelay(promise) {
  let settled = false;
  const settle = () => {
    settled = true;
  };
  promise.then(settle, settle);
  let longest = 0;
  let last = performance.now();
  while (!settled) {
    await new Promise((resolve) => setImmediate(resolve));
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
  }
  return longest;
}

module.exports = { longestDelay };
