'use strict';
// The environment that puts a process on the shipped jemalloc.

const fs = require('node:fs');

const { container } = require('./container.js');
const { fittedMallocConf, mergeMallocConf } = require('./malloc-conf.js');

/** First, so that it serves malloc even where another allocator is in the list. */
function mergePreload(existing, library) {
  const others = (existing ?? '').split(/[\s:]+/).filter((file) => file && file !== library);
  return [library, ...others].join(':');
}

/** The variables to add to `environment`. */
function jemallocVariables(environment, library) {
  return {
    LD_PRELOAD: mergePreload(environment.LD_PRELOAD, library),
    MALLOC_CONF: mergeMallocConf(environment.MALLOC_CONF, fittedMallocConf(container())),
  };
}

/**
 * Where this process was started by child_process.fork(): what tells the command of the channel.
 * Node.js removes both from process.env at start (setupChildProcessIpcChannel), but not from what
 * the kernel shows (proc(5), /proc/pid/environ).
 */
function channelVariables() {
  if (!process.channel) return {};
  try {
    const pairs = fs.readFileSync('/proc/self/environ', 'utf8').split('\0');
    const ours = pairs.filter((pair) => /^NODE_CHANNEL_(FD|SERIALIZATION_MODE)=/.test(pair));
    return Object.fromEntries(ours.map((pair) => pair.split('=')));
  } catch {
    return {};
  }
}

module.exports = { channelVariables, jemallocVariables, mergePreload };
