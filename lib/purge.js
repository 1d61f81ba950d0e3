'use strict';

const { allocator } = require('./allocator.js');
const { ERR_HEAPGAP_INTERNAL } = require('./errors.js');
const { heapPhysical } = require('./isolate.js');
const { addon, why } = require('./native.js');
const table = require('./table.js');

let running = null;

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
    const stats = { before: statsOf(name, before), after: statsOf(name, after) };
    return { allocator: name, ...report, stats };
  } catch (error) {
    // napi-rs gives a rejection one of its own codes.
    if (!String(error.code).startsWith('ERR_HEAPGAP_')) error.code = ERR_HEAPGAP_INTERNAL;
    throw error;
  }
}

function statsOf(name, { figures, notes }) {
  return table.statsOf(name, figures, notes);
}

function purgeWithoutAddon(name) {
  const rss = process.memoryUsage.rss();
  const stats = {
    allocator: name,
    ...table.allocatorOf(table.emptySlots()),
    notes: [{ field: '*', reason: why }],
  };
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
    notes: ['method', 'released', 'purgeable'].map((field) => ({ field, reason: why })),
  };
}

module.exports = { purge };
