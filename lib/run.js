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

module.exports = {
  channelVariables,
  findLibrary,
  jemallocVariables,
  mergeMallocConf,
  mergePreload,
};
