'use strict';
// V8's garbage collections, as the governor asks for them.

const { exposedGc } = require('./gc.js');

/** What makes a minor collection enough: short, and what requests leave behind is young. */
const ENOUGH = 8 * 2 ** 20;

function held() {
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

/** Makes the function that collects, all with `full`, and answers how many bytes that freed and how long it took. */
function createCollector() {
  // Its context takes memory: made when first needed.
  let gc;
  return ({ full }) => {
    gc ??= exposedGc();
    const started = performance.now();
    const before = held();
    if (!full) gc({ type: 'minor' });
    if (full || before - held() < ENOUGH) {
      gc();
      // V8 frees the memory of dead Buffers on another thread, and waits for that before a minor collection.
      gc({ type: 'minor' });
    }
    return { freed: Math.max(0, before - held()), durationMs: performance.now() - started };
  };
}

module.exports = { createCollector };
