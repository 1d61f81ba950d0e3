'use strict';

const { allocator } = require('./lib/allocator.js');
const { freshSnapshot, snapshot, stats } = require('./lib/read.js');

// The rest is loaded when first called: requiring heapgap must not slow down a service's start.

function purge() {
  return require('./lib/purge.js').purge();
}

function route(options) {
  const { createRoute } = require('./lib/route.js');
  return createRoute({ snapshot: freshSnapshot, purge })(options);
}

// A plain object literal: Node.js finds the names for `import { stats } from 'heapgap'` in it
// without running it (cjs-module-lexer).
module.exports = { allocator, purge, route, snapshot, stats };
