'use strict';

/**
 * Options that jemalloc accepts and has no `opt.*` of the same name for, so that there is nothing to
 * read back.
 */
const WRITE_ONLY = [
  'bin_shards',
  'hpa_hugification_threshold_ratio',
  'hpa_purge_threshold_ratio',
  'lg_san_uaf_align',
  'lg_tcache_max',
  'log',
  'narenas_ratio',
  'prof_log',
  'prof_unbias',
  'san_guard_large',
  'san_guard_small',
  'slab_sizes',
  'tcache_ncached_max',
];

module.exports = { WRITE_ONLY };
