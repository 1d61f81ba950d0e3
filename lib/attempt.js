'use strict';

const { debuglog } = require('node:util');

/** What a stranger must not be told is shown to the operator: NODE_DEBUG=heapgap. */
const debug = debuglog('heapgap');

/** Calls `fn`, with a synchronous throw turned into a rejection. */
async function attempt(fn, ...args) {
  return fn(...args);
}

module.exports = { attempt, debug };
