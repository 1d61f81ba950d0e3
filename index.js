'use strict';

const { allocator } = require('./lib/native.js');
const { purge } = require('./lib/purge.js');
const { freshSnapshot, snapshot, stats } = require('./lib/read.js');

/** Loaded when first called: it needs node:crypto, which takes as long as all the rest. */
function route(options) {
  const { createRoute } = require('./lib/route.js');
  return createRoute({ snapshot: freshSnapshot, purge })(options);
}

// A plain object literal: Node.js finds the names for `import { stats } from 'heapgap'` in it
// without running it (cjs-module-lexer).
module.exports = { allocator, purge, route, snapshot, stats };
