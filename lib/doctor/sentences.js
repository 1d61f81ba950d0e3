'use strict';
// What both the rules and the quick look say, in one place.

/** Who serves malloc instead, for the end of a sentence. */
const instead = (live) => (live && live !== 'unknown' ? `; ${live} serves malloc` : '');

module.exports = {
  instead,
  missing: (entry, live) => `LD_PRELOAD names ${entry}, which does not exist${instead(live)}`,
  notALibrary: (entry, live) =>
    `LD_PRELOAD names ${entry}, which is not a shared library${instead(live)}`,
  wrongArchitecture: (entry, built, expected, live) =>
    `LD_PRELOAD names ${entry}, which is built for ${built}, and the program for ${expected}${instead(live)}`,
  notLive: (live, why) => `LD_PRELOAD names jemalloc, but ${live} serves malloc: ${why}`,
  confUnread: (live) => `MALLOC_CONF is set, but ${live} serves malloc and does not read it`,
  confUnknown: (source, text, what) => `${source} has ${text}, and this jemalloc ${what}`,
  confMalformed: (source, malformed, rest) =>
    `${source} is malformed: ${malformed}${rest === ',' ? '' : '; jemalloc reads no further'}`,
  confIgnored: (source, text, key, inForce) => `${source} has ${text}, but ${key} is ${inForce}`,
  twoAllocators: (files, serving) =>
    `${files.join(' and ')} are loaded together; ${serving} serves malloc`,
  backgroundThreadOff:
    "jemalloc's background threads are off: a process that falls idle keeps what it has freed",
  decayDisabled: (keys) =>
    `${keys.join(' and ')} is -1: jemalloc never gives freed pages back by itself`,
};
