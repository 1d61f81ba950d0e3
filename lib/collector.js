'use strict';
// V8's garbage collections, as the governor asks for them.

const { exposedGc } = require('./gc.js');

/** What makes a minor collection enough. */
const ENOUGH = 4 * 2 ** 20;

/** A major collection may take a tenth of the time at the most. */
const REST = 10;

/** Makes the function that collects, and answers how many bytes that freed. */
function createCollector() {
  const gc = exposedGc();
  let restUntil = 0;
  const held = () => {
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    return heapUsed + arrayBuffers;
  };
  return () => {
    const before = held();
    gc({ type: 'minor' });
    const started = performance.now();
    if (before - held() < ENOUGH && started >= restUntil) {
      gc();
      const ended = performance.now();
      restUntil = ended + REST * (ended - started);
    }
    return Math.max(0, before - held());
  };
}

module.exports = { createCollector };
