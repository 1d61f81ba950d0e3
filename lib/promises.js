'use strict';

/** `run` for many who ask: those who do meanwhile share a run. */
function shared(run) {
  let running = null;
  return () => {
    running ??= run().finally(() => {
      running = null;
    });
    return running;
  };
}

/** What `promise` resolves to; `late` where it fails, or takes more than `ms`. */
function withPatience(promise, ms, late) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms, late);
    promise
      .catch(() => late)
      .then((value) => {
        clearTimeout(timer);
        resolve(value);
      });
  });
}

module.exports = { shared, withPatience };
