'use strict';
// Gives names to the numbers that the addon writes into one Float64Array. The order is that of
// src/api/table.rs; __test__/stats.test.js compares the two.

/** The addon writes NaN for a figure that it does not have. */
const figure = (number) => (Number.isNaN(number) ? null : number);

const SLOTS = 68;

/** How many parts the ledger has. */
const PARTS = 16;

/** What there is to read without an addon. */
const emptySlots = () => new Float64Array(SLOTS).fill(Number.NaN);

/**
 * Adds the allocator's figures to `head`, which says whose they are. (Spreading two objects into a
 * third would take longer than reading the allocator.)
 */
function addFigures(head, slots) {
  head.allocated = figure(slots[2]);
  head.active = figure(slots[3]);
  head.dirty = figure(slots[4]);
  head.muzzy = figure(slots[5]);
  head.metadata = figure(slots[6]);
  head.resident = figure(slots[7]);
  head.mapped = figure(slots[8]);
  head.retained = figure(slots[9]);
  head.pinned = figure(slots[10]);
  head.threadCaches = figure(slots[11]);
  head.free = figure(slots[12]);
  head.arenas = figure(slots[13]);
  head.backgroundThreads = figure(slots[14]);
  head.ageMs = figure(slots[0]);
  return head;
}

/** What `stats()` answers. */
function statsOf(allocator, slots, notes) {
  const stats = addFigures({ allocator }, slots);
  stats.notes = notes;
  return stats;
}

/** What `snapshot().allocator` is. */
const allocatorOf = ({ name, version, library }, slots) =>
  addFigures({ name, version, library }, slots);

/** Whether fresher figures were asked for than a synchronous call may fetch. */
const isOverdue = (slots) => slots[1] === 1;

function processOf(slots) {
  return {
    rss: figure(slots[15]),
    anon: figure(slots[16]),
    file: figure(slots[17]),
    shmem: figure(slots[18]),
    peak: figure(slots[19]),
    swap: figure(slots[20]),
    threads: figure(slots[21]),
    fds: figure(slots[22]),
  };
}

function stallOf(slots, first) {
  return {
    avg10: slots[first],
    avg60: slots[first + 1],
    avg300: slots[first + 2],
    totalMs: slots[first + 3],
  };
}

function pressureOf(slots, version) {
  if (figure(slots[30]) === null) return null;
  // Version 1 groups have no pressure of their own; the addon reads the machine's.
  const of = version === 1 ? 'system' : 'cgroup';
  return { of, some: stallOf(slots, 30), full: stallOf(slots, 34) };
}

function cgroupOf(slots, version, path) {
  return {
    version,
    path,
    limit: figure(slots[23]),
    high: figure(slots[24]),
    usage: figure(slots[25]),
    reclaimable: figure(slots[26]),
    unreclaimable: figure(slots[27]),
    peak: figure(slots[28]),
    oomKills: figure(slots[29]),
    pressure: pressureOf(slots, version),
  };
}

/** The ledger's first slot. */
const LEDGER = 39;

function partOf(slots, labels, index) {
  const { accuracy, source } = labels[index];
  return { bytes: figure(slots[LEDGER + index]), accuracy, source };
}

/** `labels` say of each part how far it can be trusted, and where it comes from. */
function ledgerOf(rss, slots, labels) {
  return {
    rss,
    parts: {
      v8Heap: partOf(slots, labels, 0),
      v8Workers: partOf(slots, labels, 1),
      buffers: partOf(slots, labels, 2),
      external: partOf(slots, labels, 3),
      native: partOf(slots, labels, 4),
      threadCaches: partOf(slots, labels, 5),
      pinned: partOf(slots, labels, 6),
      dirty: partOf(slots, labels, 7),
      muzzy: partOf(slots, labels, 8),
      metadata: partOf(slots, labels, 9),
      code: partOf(slots, labels, 10),
      mappedFiles: partOf(slots, labels, 11),
      shared: partOf(slots, labels, 12),
      stacks: partOf(slots, labels, 13),
      hugePageSlack: partOf(slots, labels, 14),
      unattributed: partOf(slots, labels, 15),
    },
  };
}

/** The governor's first slot in a snapshot; by themselves they start at 0. */
const GOVERNOR = 55;

const LEVELS = ['calm', 'pressure', 'limit'];
const LIMIT_SOURCES = ['cgroup', 'option', 'machine'];

/** What the governor sees and has done; `null` where there never was one. */
function governorOf(slots, first = 0) {
  if (figure(slots[first]) === null) return null;
  return {
    running: slots[first] === 1,
    level: LEVELS[slots[first + 1]],
    limit: figure(slots[first + 9]),
    usage: figure(slots[first + 10]),
    limitSource: LIMIT_SOURCES[slots[first + 2]] ?? null,
    dirty: figure(slots[first + 11]),
    tightened: slots[first + 3] === 1,
    purges: slots[first + 4],
    released: slots[first + 5],
    purgeMs: slots[first + 6],
    flips: slots[first + 7],
    collections: slots[first + 8],
    oomKills: figure(slots[first + 12]),
  };
}

const gapOf = (slots) => figure(slots[38]);

module.exports = {
  GOVERNOR,
  LEVELS,
  SLOTS,
  allocatorOf,
  cgroupOf,
  emptySlots,
  gapOf,
  governorOf,
  isOverdue,
  ledgerOf,
  PARTS,
  processOf,
  statsOf,
};
