'use strict';
// The synchronous readings.

const { loaded } = require('./errors.js');
const isolate = require('./isolate.js');
const { addon, allocator, why } = require('./native.js');
const table = require('./table.js');

const MAX_AGE_MS = {
  default: 0,
  check: (value) => Number.isFinite(value) && value >= 0,
  expected: 'a non-negative number',
};
const RESOURCES = {
  default: undefined,
  check: (value) => typeof value === 'boolean',
  expected: 'a boolean',
};
const STATS_OPTIONS = { maxAgeMs: MAX_AGE_MS };
const SNAPSHOT_OPTIONS = { maxAgeMs: MAX_AGE_MS, resources: RESOURCES };
const DEFAULTS = { maxAgeMs: 0, resources: undefined };

// Loaded when first needed: requiring heapgap must not slow down a service's start.
let readOptions;

function settings(spec, given, caller) {
  if (given === undefined) return DEFAULTS;
  readOptions ??= loaded(() => require('./options.js')).readOptions;
  return readOptions(spec, given, caller);
}

/** One table for all readings: each is emptied into an object before the next. */
const slots = table.emptySlots();

const statsLabels = remember(() => addon.statsLabels());
const snapshotLabels = remember(() => addon.snapshotLabels());

/** Words seldom change: the addon counts generations, and they are asked for once in each. */
function remember(read) {
  let generation;
  let labels;
  return (current) => {
    if (current !== generation) {
      labels = read();
      labels.notes.forEach(Object.freeze);
      Object.freeze(labels.notes);
      generation = current;
    }
    return labels;
  };
}

let live;

function stats(options) {
  const { maxAgeMs } = settings(STATS_OPTIONS, options, 'stats');
  live ??= allocator();
  if (!addon) return statsWithoutAddon();
  const { notes } = statsLabels(addon.readStats(slots, maxAgeMs));
  refreshIfOverdue();
  return table.statsOf(live.name, slots, notes);
}

function statsWithoutAddon() {
  const figures = table.statsOf(live.name, slots, []);
  figures.notes = explainNulls(figures, '');
  return figures;
}

function snapshot(options) {
  const { maxAgeMs, resources } = settings(SNAPSHOT_OPTIONS, options, 'snapshot');
  live ??= allocator();
  const memory = isolate.readMemoryUsage(maxAgeMs);
  const v8 = isolate.readV8(memory);
  const counts = resources === false ? null : isolate.countResources(resources);
  const native = addon ? readNative(maxAgeMs, v8) : readWithoutAddon(memory, v8);
  return {
    time: Date.now(),
    pid: process.pid,
    process: native.process,
    v8,
    allocator: native.allocator,
    cgroup: native.cgroup,
    resources: counts,
    gap: native.gap,
    ledger: native.ledger,
    governor: native.governor,
    notes: withNotes(native.notes, memory, counts, resources),
  };
}

function readNative(maxAgeMs, v8) {
  const arrayBuffers = v8.arrayBuffers ?? Number.NaN;
  const labels = snapshotLabels(
    addon.readSnapshot(slots, maxAgeMs, v8.heapPhysical, arrayBuffers, v8.external),
  );
  refreshIfOverdue();
  const process = table.processOf(slots);
  return {
    process,
    allocator: table.allocatorOf(live, slots),
    cgroup: table.cgroupOf(slots, labels.cgroupVersion, labels.cgroupPath),
    gap: table.gapOf(slots),
    ledger: table.ledgerOf(process.rss, slots, labels.ledger),
    governor: table.governorOf(slots, table.GOVERNOR),
    notes: labels.notes,
  };
}

function readWithoutAddon(memory, v8) {
  const figures = table.allocatorOf(live, slots);
  const proc = { ...table.processOf(slots), rss: memory?.rss ?? null };
  const cgroup = table.cgroupOf(slots, null, null);
  return {
    process: proc,
    allocator: figures,
    cgroup,
    gap: proc.rss === null ? null : proc.rss - v8.heapPhysical,
    ledger: ledgerWithoutAddon(proc.rss, v8),
    governor: null,
    notes: [
      ...explainNulls(proc, 'process.'),
      ...explainNulls(figures, 'allocator.'),
      ...explainNulls(cgroup, 'cgroup.'),
    ],
  };
}

/** All that Node.js knows of RSS is V8's heap; the parts that it does not know are in the rest. */
function ledgerWithoutAddon(rss, v8) {
  const unknown = { accuracy: null, source: why };
  const ledger = table.ledgerOf(rss, table.emptySlots(), new Array(table.PARTS).fill(unknown));
  if (rss === null) return ledger;
  const bytes = Math.min(v8.heapPhysical, rss);
  const source = "total_physical_size of this thread's isolate";
  ledger.parts.v8Heap = { bytes, accuracy: 'estimate', source };
  ledger.parts.unattributed = {
    bytes: rss - bytes,
    accuracy: 'exact',
    source: 'RSS minus V8 heap',
  };
  return ledger;
}

function explainNulls(figures, prefix) {
  const missing = Object.keys(figures).filter((key) => figures[key] === null);
  return missing.map((key) => ({ field: prefix + key, reason: why }));
}

const NO_MEMORY_USAGE = { field: 'v8.arrayBuffers', reason: 'process.memoryUsage() failed' };
const NOT_WANTED = { field: 'resources', reason: 'left out by snapshot({ resources: false })' };
const TOO_MANY = {
  field: 'resources',
  reason:
    'counting them takes more than 1 ms; snapshot({ resources: true }) counts them all the same',
};

/** Adds what JavaScript could not read to what the addon could not. */
function withNotes(notes, memory, counts, wanted) {
  if (memory && counts) return notes;
  return [
    ...notes,
    ...(memory ? [] : [NO_MEMORY_USAGE]),
    ...(counts ? [] : [wanted === false ? NOT_WANTED : TOO_MANY]),
  ];
}

let refreshing = null;

/** Refreshes, off the JavaScript thread, what the last reading had to reuse. */
function refresh() {
  if (!addon) return Promise.resolve();
  refreshing ??= addon.refresh().finally(() => {
    refreshing = null;
  });
  return refreshing;
}

/** Whoever polls synchronously must not see the same old figures for ever. */
function refreshIfOverdue() {
  if (table.isOverdue(slots)) refresh().catch(() => {});
}

/** A snapshot with figures as fresh as an asynchronous call can have them. */
async function freshSnapshot(options) {
  const first = snapshot(options);
  if (!table.isOverdue(slots)) return first;
  // Should it fail, the figures that are there still stand, with their age.
  await refresh().catch(() => {});
  return snapshot({ ...options, maxAgeMs: FRESH_MS });
}

/** What counts as fresh for a reading that was refreshed a moment ago. */
const FRESH_MS = 100;

module.exports = { freshSnapshot, snapshot, stats };
