'use strict';
// Where V8 writes what it calls the code that it generates, where it was told to (--perf-basic-prof).

const path = require('node:path');

const { wordsOf } = require('../node-options.js');

const ASKED = /^--perf[-_]basic[-_]prof([-_]only[-_]functions)?$/;
const FOLDER = /^--perf[-_]basic[-_]prof[-_]path=(.*)$/;

/** Node.js takes the flag for the folder on the command line only, not in NODE_OPTIONS. */
function folder() {
  const given = process.execArgv.map((word) => FOLDER.exec(word)?.[1]).findLast(Boolean);
  return given ?? '/tmp';
}

/**
 * V8's name for it (src/diagnostics/perf-jit.cc and src/logging/log.cc, PerfBasicLogger); `null` where V8 was not told to:
 * a file of that name is another process's then, whose pid was the same.
 */
function perfMapFile() {
  const words = [...process.execArgv, ...wordsOf(process.env.NODE_OPTIONS ?? '')];
  if (!words.some((word) => ASKED.test(word))) return null;
  return path.join(folder(), `perf-${process.pid}.map`);
}

module.exports = { perfMapFile };
