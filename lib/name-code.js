'use strict';
// What V8 calls the code that it generates, for heap profiles.

const v8 = require('node:v8');
const { isMainThread } = require('node:worker_threads');

const { addon, why } = require('./native.js');

/**
 * Has V8 tell what this thread generates from now on; answers why not, or `null`. Code that stays where it is keeps the
 * address that a sample has of it: V8 does the same with --perf-basic-prof (its src/flags/flag-definitions.h).
 */
function nameCode() {
  if (!addon) return why;
  // Flags are the process's.
  if (isMainThread) v8.setFlagsFromString('--no-compact-code-space');
  return addon.profilerNameCode();
}

module.exports = { nameCode };
