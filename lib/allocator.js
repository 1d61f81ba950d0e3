'use strict';

const { addon, why } = require('./native.js');

let known;

/** Who serves `malloc`. A process cannot change it, so it is asked once. */
function allocator() {
  known ??= addon ? fromAddon(addon.allocator()) : unknown();
  return { ...known, evidence: [...known.evidence], capabilities: { ...known.capabilities } };
}

function fromAddon({ stats, purge, ...rest }) {
  return { ...rest, capabilities: { stats, purge } };
}

function unknown() {
  return {
    name: 'unknown',
    version: null,
    library: null,
    evidence: [why],
    capabilities: { stats: false, purge: false },
  };
}

module.exports = { allocator };
