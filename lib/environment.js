'use strict';
// The environment that puts a process on the shipped jemalloc.

const { container } = require('./container.js');
const { fittedMallocConf, mergeMallocConf } = require('./malloc-conf.js');

/** ld.so(8): the list is separated by spaces or colons. */
const entriesOf = (list) => (list ?? '').split(/[\s:]+/).filter(Boolean);

/** By the file's name, since distributions call them so. */
const isAllocator = (file) => /(^|\/)lib(jemalloc|mimalloc|tcmalloc)[^/]*$/.test(file);

/** First, and without other allocators: they would serve nothing, but start threads and read MALLOC_CONF. */
function mergePreload(existing, library) {
  const kept = (file) => file !== library && !isAllocator(file);
  return [library, ...entriesOf(existing).filter(kept)].join(':');
}

/** The variables to add to `environment`. */
function jemallocVariables(environment, library) {
  const fitted = fittedMallocConf(container());
  return {
    LD_PRELOAD: mergePreload(environment.LD_PRELOAD, library),
    MALLOC_CONF: mergeMallocConf(environment.MALLOC_CONF, fitted),
  };
}

/** LD_PRELOAD without `library`; `undefined` when nothing is left. */
function withoutLibrary(existing, library) {
  const others = entriesOf(existing).filter((file) => file !== library);
  return others.join(':') || undefined;
}

module.exports = { jemallocVariables, mergePreload, withoutLibrary };
