'use strict';
// Purges that many may ask for.

const { ERR_HEAPGAP_OTHER_PROCESS, ERR_HEAPGAP_RATE_LIMITED, invalidArg } = require('../errors.js');
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

/** In a cluster a request reaches any of the workers: `?pid=` says which one is meant. */
function refuseOtherProcess(query) {
  const given = new URLSearchParams(query).getAll('pid');
  if (given.length === 0) return;
  if (given.length > 1 || !/^[1-9]\d{0,9}$/.test(given[0])) {
    const { message, code } = invalidArg('pid', 'a process id, given once', given.join(', '));
    throw new Refusal(400, code, message);
  }
  if (Number(given[0]) === process.pid) return;
  const why = `this is process ${process.pid}, not ${given[0]}; a cluster's next answer may come from another`;
  throw new Refusal(409, ERR_HEAPGAP_OTHER_PROCESS, why);
}

module.exports = { limitPurge, refuseOtherProcess };
