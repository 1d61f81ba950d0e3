'use strict';
// What a diagnosis needs to know beside the figures of memory.

const fs = require('node:fs');
const os = require('node:os');

const { container } = require('./container.js');
const { promisedAllocator } = require('./doctor/quick.js');

/** The soft limit in the text of /proc/<pid>/limits; `null` where it is none, or not said (proc(5)). */
function parseFdLimit(text) {
  const [, soft] = /^Max open files +(\d+) /m.exec(text) ?? [];
  return soft === undefined ? null : Number(soft);
}

function fdLimit() {
  try {
    return parseFdLimit(fs.readFileSync('/proc/self/limits', 'utf8'));
  } catch {
    return null;
  }
}

let lasting;

/** What does not change while the process lives, read once: that takes most of the time. */
function lastingFacts(live) {
  lasting ??= { expected: promisedAllocator(live), machineMemory: os.totalmem() };
  return lasting;
}

/** `live` is the name of the allocator that serves. */
function facts(live) {
  return {
    ...lastingFacts(live),
    cpus: container().cpus,
    fdLimit: fdLimit(),
  };
}

module.exports = { facts, parseFdLimit };
