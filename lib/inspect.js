'use strict';
// A snapshot, and what takes too long for a synchronous call.

const { withOwnCode } = require('./errors.js');
const { readIsolates } = require('./isolates.js');
const { addon, why } = require('./native.js');
const { shared } = require('./promises.js');
const { snapshot } = require('./read.js');

/** Concurrent calls share one run: it reads every mapping of the process. */
const inspect = shared(inspectOnce);

async function inspectOnce() {
  const isolates = await readIsolates();
  const taken = snapshot();
  if (!addon) return withoutAddon(taken, isolates);
  const native = JSON.parse(await ask(question(taken, isolates)));
  const process = withFigures(taken.process, native.process);
  return {
    ...taken,
    ...native,
    process,
    gap: process.rss === null ? null : process.rss - taken.v8.heapPhysical,
    workers: isolates.workers,
    otherIsolates: isolates.others,
    notes: [
      ...withoutFields(taken.notes, process),
      ...native.notes,
      ...(isolates.workers ? [] : [CANNOT_ASK]),
    ],
  };
}

async function ask(v8) {
  try {
    return await addon.inspect(v8);
  } catch (error) {
    throw withOwnCode(error);
  }
}

/** What a snapshot has of the process, with newer figures in their places. */
function withFigures(process, newer) {
  const { rss, peak } = { ...process, ...newer };
  // Read before: RSS may have risen above it.
  return { ...process, ...newer, peak: peak === null ? null : Math.max(peak, rss) };
}

const CANNOT_ASK = {
  field: 'workers',
  reason: "this Node.js has no worker.getHeapStatistics(); workers' Buffers are in `native`",
};

/** What the addon has to know of V8 for the ledger. */
function question({ v8 }, { workers, others }) {
  return {
    heapPhysical: v8.heapPhysical,
    arrayBuffers: v8.arrayBuffers,
    external: v8.external,
    spaces: v8.spaces.map(({ name, physical }) => ({ name, bytes: physical })),
    workers: (workers ?? []).map(({ threadId, heapPhysical, external }) => ({
      name: `worker ${threadId}`,
      heapPhysical,
      external,
    })),
    otherIsolates: others,
  };
}

/** Without the notes on figures of the process that were found after all. */
function withoutFields(notes, process) {
  const found = (field) => field.startsWith('process.') && process[field.slice(8)] !== null;
  return notes.filter(({ field }) => !found(field));
}

const NATIVE_ONLY = [
  'mappings',
  'threads',
  'arenas',
  'sizeClasses',
  'decay',
  'options',
  'hugePages',
  'io',
  'cpuMs',
];

function withoutAddon(taken, { workers, others }) {
  const nulls = Object.fromEntries(NATIVE_ONLY.map((field) => [field, null]));
  const reasons = NATIVE_ONLY.map((field) => ({ field, reason: why }));
  return {
    ...taken,
    ...nulls,
    hugePages: { mode: null, bytes: null, zeroShare: null },
    workers,
    otherIsolates: others,
    notes: [...taken.notes, ...reasons],
  };
}

module.exports = { inspect };
