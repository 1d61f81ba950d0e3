'use strict';

const native = require('./lib/native.js');
// Hears of worker threads from here on.
require('./lib/isolates.js');
const { purge } = require('./lib/purge.js');
const { freshSnapshot, snapshot, stats } = require('./lib/read.js');

/** Who serves `malloc`, with what a quick look finds wrong at the end of the evidence. */
function allocator() {
  const live = native.allocator();
  if (!native.addon) return live;
  const { quickFindings } = require('./lib/doctor/quick.js');
  live.evidence.push(...quickFindings(native.addon, live.name));
  return live;
}

/** Loaded when first called: few services ask. */
async function inspect() {
  return require('./lib/inspect.js').inspect();
}

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
module.exports = { allocator, doctor, inspect, purge, route, snapshot, stats };
