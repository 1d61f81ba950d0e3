'use strict';
// What jemalloc is told through MALLOC_CONF (jemalloc(3), TUNING). docs/malloc-conf.md has the
// measurements behind each pair.

/** Fewer contend for their locks, more keep more free pages. jemalloc takes four for each CPU. */
const arenasFor = (cpus) => Math.max(2, cpus);

/** Where the machine's CPUs do not matter: what took less memory for the same processor time. */
const ALWAYS = [
  // Gives free pages back while the service is idle, too.
  'background_thread:true',
  // Within a second instead of ten.
  'dirty_decay_ms:1000',
  // Each thread keeps free blocks of up to 4 KiB for itself instead of 32: Buffers are larger.
  'tcache_max:4096',
  // A block of 16 KiB takes 16 instead of 20: each of that size or more gets a page on top of its own.
  'cache_oblivious:false',
];

/**
 * A profile can be had, and none is taken. Uncorrected: the correction of 5.3.1 goes by size classes that
 * large blocks no longer have there, and adds up to a quarter (prof_unbias_map_init in its src/prof_data.c,
 * disable_large_size_classes in its src/sc.c).
 */
const PROFILABLE = ['prof:true', 'prof_active:false', 'prof_unbias:false'];

/** The pairs that fit what `container()` found. */
function fittedMallocConf({ cpus, thp }) {
  const pairs = [...ALWAYS, ...PROFILABLE];
  // jemalloc counts the CPUs of the affinity mask and knows nothing of a quota (malloc_ncpus in its
  // src/jemalloc.c).
  if (cpus !== null) pairs.push(`narenas:${arenasFor(cpus)}`);
  // Else the kernel fills pages that were given back up again, to make huge ones.
  if (thp === 'always') pairs.push('thp:never');
  return pairs.join(',');
}

/** What says the same in another way. */
const ALIASES = { narenas_ratio: 'narenas', lg_tcache_max: 'tcache_max' };

/** One pair as jemalloc reads it: a key of these letters, a colon, and all up to the next comma. */
const PAIR = /([A-Za-z0-9_]*):[^,]*(?:,|$)/y;

/**
 * The keys that jemalloc finds in `conf`. It gives up at the first thing that is no pair, such as a
 * space before a key, and so does this (conf_next in its src/conf.c).
 */
function keysOf(conf) {
  const keys = new Set();
  PAIR.lastIndex = 0;
  for (let pair = PAIR.exec(conf); pair !== null; pair = PAIR.exec(conf)) {
    keys.add(ALIASES[pair[1]] ?? pair[1]);
  }
  return keys;
}

/**
 * Our pairs less those whose key the user sets, then the user's text as it is. jemalloc reads from left
 * to right, and the last one wins: the user's come last. So they cannot spoil ours either, where they
 * are malformed.
 */
function mergeMallocConf(existing, ours) {
  const theirs = existing ?? '';
  const taken = keysOf(theirs);
  const left = ours.split(',').filter((pair) => !taken.has(pair.split(':')[0]));
  return [...left, ...(theirs === '' ? [] : [theirs])].join(',');
}

module.exports = { arenasFor, fittedMallocConf, mergeMallocConf };
