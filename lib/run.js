'use strict';
// The environment that puts a command on the shipped jemalloc.

const fs = require('node:fs');
const path = require('node:path');

/** Gives dirty pages back by itself, also while the service is idle. */
const DEFAULT_MALLOC_CONF = 'background_thread:true,metadata_thp:auto';

const LIBC_NAMES = ['gnu', 'musl'];

/** The path of the shipped libjemalloc.so.2, or `null` and why there is none. */
function findLibrary() {
  if (process.platform !== 'linux') {
    return { library: null, why: `heapgap ships no allocator for ${process.platform}` };
  }
  const names = LIBC_NAMES.map((libc) => `@heapgap/${process.platform}-${process.arch}-${libc}`);
  const candidates = [path.join(__dirname, '..', 'preload', 'libjemalloc.so.2')];
  for (const name of names) {
    try {
      candidates.push(
        path.join(path.dirname(require.resolve(`${name}/package.json`)), 'libjemalloc.so.2'),
      );
    } catch {
      // Not installed; the others remain.
    }
  }
  const library = candidates.find((file) => fs.existsSync(file));
  if (!library) return { library: null, why: `none of ${names.join(', ')} is installed` };
  // ld.so(8): LD_PRELOAD is a list separated by spaces or colons, and nothing escapes them.
  if (/[\s:]/.test(library)) return { library: null, why: `LD_PRELOAD cannot hold ${library}` };
  return { library, why: null };
}

/** First, so that it serves malloc even where another allocator is in the list. */
function mergePreload(existing, library) {
  const others = (existing ?? '').split(/[\s:]+/).filter((file) => file && file !== library);
  return [library, ...others].join(':');
}

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

/** The variables to add to `environment`. */
function jemallocVariables(environment, library) {
  return {
    LD_PRELOAD: mergePreload(environment.LD_PRELOAD, library),
    MALLOC_CONF: mergeMallocConf(environment.MALLOC_CONF),
  };
}

module.exports = { findLibrary, jemallocVariables, mergeMallocConf, mergePreload };
