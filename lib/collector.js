'use strict';
// V8's garbage collections, as the governor asks for them.

const { exposedGc } = require('./gc.js');

function createCollector() {
  const gc = exposedGc();
  const held = () => {
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    return heapUsed + arrayBuffers;
  };
  return () => {
    const before = held();
    gc({ type: 'minor' });
    return Math.max(0, before - held());
  };
}

module.exports = { createCollector };
