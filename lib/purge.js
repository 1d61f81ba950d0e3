'use strict';

const { withOwnCode } = require('./errors.js');
const { heapPhysical, readMemoryUsage } = require('./isolate.js');
const { addon, allocator, why } = require('./native.js');
const table = require('./table.js');

let running = null;
/** Of purges that were asked for and done. `released` is null once it was not known of one. */
const done = { count: 0, released: 0 };

function note({ method, released }) {
  if (method === null) return;
  done.count += 1;
  const isKnown = done.released !== null && released !== null;
  // What came meanwhile can outweigh what was given back.
  done.released = isKnown ? done.released + Math.max(0, released) : null;
}

/** Concurrent calls share one run: a second purge would find what the first has left. */
function purge() {
  running ??= purgeOnce().finally(() => {
    running = null;
  });
  return running;
}

async function purgeOnce() {
  const { name } = allocator();
  if (!addon) return purgeWithoutAddon(name);
  try {
    const { before, after, ...report } = await addon.purge(heapPhysical());
    note(report);
    const statsOf = ({ figures, notes }) => table.statsOf(name, figures, notes);
    return {
      allocator: name,
      ...report,
      stats: { before: statsOf(before), after: statsOf(after) },
    };
  } catch (error) {
    throw withOwnCode(error);
  }
}

function purgeWithoutAddon(name) {
  const rss = readMemoryUsage(0)?.rss ?? null;
  const stats = table.statsOf(name, table.emptySlots(), [{ field: '*', reason: why }]);
  return {
    allocator: name,
    method: null,
    rssBefore: rss,
    rssAfter: rss,
    released: null,
    purgeable: null,
    stats: { before: stats, after: stats },
    durationMs: 0,
    attempts: 0,
    kept: [],
    notes: ['method', 'released', 'purgeable', 'kept'].map((field) => ({ field, reason: why })),
  };
}

/** How many purges there were, and by how many bytes RSS fell in all of them. */
const counts = () => ({ ...done });

module.exports = { counts, purge };
