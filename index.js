'use strict';

const native = require('./lib/native.js');
// Hears of worker threads from here on.
require('./lib/isolates.js');
const { loaded } = require('./lib/errors.js');
const { profiler } = require('./lib/profiler.js');
const { purge } = require('./lib/purge.js');
const { freshSnapshot, snapshot, stats } = require('./lib/read.js');

/** Who serves `malloc`, with what a quick look finds wrong at the end of the evidence. */
function allocator() {
  const live = native.allocator();
  if (!native.addon) return live;
  live.evidence.push(...quickEvidence(live.name));
  return live;
}

function quickEvidence(name) {
  try {
    const { quickFindings } = loaded(() => require('./lib/doctor/quick.js'));
    return quickFindings(native.addon, name);
  } catch (error) {
    return [`nobody has looked for what is wrong with it: ${error.message}`];
  }
}

/** Loaded when first called: few services ask. */
async function inspect() {
  return loaded(() => require('./lib/inspect.js')).inspect();
}

let makeRoute;

/** Loaded when first called: it needs node:crypto, which takes as long as all the rest. */
function route(options) {
  makeRoute ??= loaded(() => require('./lib/route.js')).createRoute({
    snapshot: freshSnapshot,
    purge,
    inspect,
    diagnosis: () => ownDiagnosis().recentDiagnosis(),
    liveDiagnosis: () => ownDiagnosis().liveDiagnosis(),
    watch,
    purges: () => loaded(() => require('./lib/purge.js')).counts(),
    makeRegistry: () => loaded(() => require('./lib/prometheus.js')).makeRegistry(),
    profiler,
  });
  return makeRoute(options);
}

let makeWatch;

/** Loaded when first called, as what follows: many services only read. */
function watch(options) {
  makeWatch ??= loaded(() => require('./lib/watch.js')).createWatch({
    snapshot,
    countResources: require('./lib/isolate.js').countResources,
  });
  return makeWatch(options);
}

let makeShed;

function shed(options) {
  makeShed ??= loaded(() => require('./lib/shed.js')).createShed({
    governorFigures: loaded(() => require('./lib/govern.js')).governorFigures,
    purge,
  });
  return makeShed(options);
}

const ownDiagnosis = () => loaded(() => require('./lib/own-diagnosis.js'));

async function diagnose(options) {
  return ownDiagnosis().diagnose(options);
}

let startGovernor;

function govern(options) {
  startGovernor ??= loaded(() => require('./lib/govern.js')).govern;
  return startGovernor(options);
}

/** Loaded when first called: few services ask, and it is many files. */
async function doctor(options) {
  return loaded(() => require('./lib/doctor/index.js')).doctor(options);
}

// A plain object literal: Node.js finds the names for `import { stats } from 'heapgap'` in it
// without running it (cjs-module-lexer).
module.exports = {
  allocator,
  diagnose,
  doctor,
  govern,
  inspect,
  profiler,
  purge,
  route,
  shed,
  snapshot,
  stats,
  watch,
};
