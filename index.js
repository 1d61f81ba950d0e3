'use strict';

const { allocator } = require('./lib/native.js');
const { purge } = require('./lib/purge.js');
const { freshSnapshot, snapshot, stats } = require('./lib/read.js');

/** Loaded when first called: it needs node:crypto, which takes as long as all the rest. */
function route(options) {
  const { createRoute } = require('./lib/route.js');
  return createRoute({ snapshot: freshSnapshot, purge })(options);
}

/** Loaded when first called: few services ask, and it is many files. */
async function doctor(options) {
  return require('./lib/doctor/index.js').doctor(options);
}

// A plain object literal: Node.js finds the names for `import { stats } from 'heapgap'` in it
// without running it (cjs-module-lexer).
module.exports = { allocator, doctor, purge, route, snapshot, stats };
