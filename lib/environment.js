'use strict';
// The environment that puts a process on the shipped jemalloc.

const fs = require('node:fs');

const { mergeMallocConf } = require('./malloc-conf.js');

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
    MALLOC_CONF: mergeMallocConf(environment.MALLOC_CONF),
  };
}

/** LD_PRELOAD without `library`; `undefined` when nothing is left. */
function withoutLibrary(existing, library) {
  return otherLibraries(existing, library).join(':') || undefined;
}

/** What Node.js takes out of process.env at start (internal/process/pre_execution). */
const TAKEN = /^NODE_(CHANNEL_FD|CHANNEL_SERIALIZATION_MODE|UNIQUE_ID)=/;

/**
 * Where this process was started by child_process.fork() or by node:cluster: what tells the next program
 * of the channel. The kernel still has it (proc(5), /proc/pid/environ).
 */
function channelVariables() {
  if (!process.channel) return {};
  try {
    const pairs = fs.readFileSync('/proc/self/environ', 'utf8').split('\0');
    const ours = pairs.filter((pair) => TAKEN.test(pair));
    return Object.fromEntries(ours.map((pair) => pair.split('=')));
  } catch {
    return {};
  }
}

module.exports = { channelVariables, jemallocVariables, mergePreload, withoutLibrary };
