'use strict';
// The environment that puts a process on the shipped jemalloc.

const { container } = require('./container.js');
const { fittedMallocConf, mergeMallocConf } = require('./malloc-conf.js');

/** ld.so(8): the list is separated by spaces or colons. */
function otherLibraries(list, library) {
  return (list ?? '').split(/[\s:]+/).filter((file) => file && file !== library);
}

/** First, so that it serves malloc even where another allocator is in the list. */
function mergePreload(existing, library) {
  return [library, ...otherLibraries(existing, library)].join(':');
}

/** The variables to add to `environment`. */
function jemallocVariables(environment, library) {
  return {
    LD_PRELOAD: mergePreload(environment.LD_PRELOAD, library),
    MALLOC_CONF: mergeMallocConf(environment.MALLOC_CONF, fittedMallocConf(container())),
  };
}

/** LD_PRELOAD without `library`; `undefined` when nothing is left. */
function withoutLibrary(existing, library) {
  return otherLibraries(existing, library).join(':') || undefined;
}

module.exports = { jemallocVariables, mergePreload, withoutLibrary };
