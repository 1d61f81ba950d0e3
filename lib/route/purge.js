'use strict';
// Purges that many may ask for.

const { ERR_HEAPGAP_RATE_LIMITED } = require('../errors.js');
const { attempt } = require('../attempt.js');
const { Refusal } = require('./refusal.js');

/** A purge that concurrent callers share, and that then rests for `minIntervalMs`. */
function limitPurge({ purge, now }, minIntervalMs) {
  let running;
  let restsUntil = Number.NEGATIVE_INFINITY;
  return async () => {
    // Never positive while a run is under way: it began when the rest before it was over.
    const waitMs = restsUntil - now();
    if (waitMs > 0) {
      const seconds = Math.ceil(waitMs / 1000);
      throw new Refusal(
        429,
        ERR_HEAPGAP_RATE_LIMITED,
        `the last purge was less than \`minIntervalMs\` ago; try again in ${seconds} s`,
        { 'Retry-After': String(seconds) },
      );
    }
    running ??= attempt(purge).finally(() => {
      running = undefined;
      restsUntil = now() + minIntervalMs;
    });
    return running;
  };
}

module.exports = { limitPurge };
