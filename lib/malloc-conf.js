'use strict';
// What jemalloc is told through MALLOC_CONF (jemalloc(3), TUNING).

/** Gives dirty pages back by itself, also while the service is idle. */
const DEFAULT_MALLOC_CONF = 'background_thread:true,metadata_thp:auto';

/**
 * Our pairs, less those whose key the user sets, then the user's as they are: jemalloc reads from
 * left to right and the last one wins (jemalloc(3), TUNING).
 */
function mergeMallocConf(existing, defaults = DEFAULT_MALLOC_CONF) {
  const key = (pair) => pair.split(':')[0];
  const theirs = (existing ?? '').split(',').filter(Boolean);
  const taken = new Set(theirs.map(key));
  const ours = defaults.split(',').filter((pair) => !taken.has(key(pair)));
  return [...ours, ...theirs].join(',');
}

module.exports = { DEFAULT_MALLOC_CONF, mergeMallocConf };
