'use strict';
// Where V8 writes what it calls the code that it generates, where it was told to (--perf-basic-prof).

const path = require('node:path');

const FLAG = /^--perf[-_]basic[-_]prof[-_]path=(.*)$/;

/** Node.js takes the flag for the folder on the command line only, not in NODE_OPTIONS. */
function folder() {
  const given = process.execArgv.map((word) => FLAG.exec(word)?.[1]).findLast(Boolean);
  return given ?? '/tmp';
}

/** V8's name for it (src/diagnostics/perf-jit.cc and src/logging/log.cc, PerfBasicLogger). */
const perfMapFile = () => path.join(folder(), `perf-${process.pid}.map`);

module.exports = { perfMapFile };
