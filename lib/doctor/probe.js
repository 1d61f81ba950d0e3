'use strict';
// Required into every Node.js process of a command that doctor runs: writes down who serves malloc
// there. Without the variable that doctor sets it does nothing, and it never disturbs its host.

const folder = process.env.HEAPGAP_DOCTOR_REPORTS;

/** `ran`: whether the main module has run, which may put the process on another allocator. */
function report(ran) {
  const fs = require('node:fs');
  const { addon, allocator, why } = require('../native.js');
  const { codeFiles } = require('./facts/maps.js');
  const { ownOptions } = require('./facts/options.js');
  const { LD_PRELOAD, MALLOC_CONF, NODE_OPTIONS, LD_LIBRARY_PATH } = process.env;
  const facts = {
    pid: process.pid,
    at: Date.now(),
    ran,
    ppid: process.ppid,
    argv: [process.argv0, ...process.execArgv, ...process.argv.slice(1)],
    program: process.execPath,
    environment: { LD_PRELOAD, MALLOC_CONF, NODE_OPTIONS, LD_LIBRARY_PATH },
    allocator: addon ? allocator() : null,
    why,
    options: ownOptions(addon, process.env),
    files: codeFiles(fs.readFileSync('/proc/self/maps', 'utf8')),
    heapLimit: require('node:v8').getHeapStatistics().heap_size_limit,
  };
  // Renamed when whole: a process that executes another keeps its pid, and its last report counts.
  // Others may write to the folder: a file that is there already, or a link, is not written to.
  const part = `${folder}/${process.pid}.${process.hrtime.bigint()}`;
  fs.writeFileSync(part, JSON.stringify(facts), { mode: 0o600, flag: 'wx' });
  fs.renameSync(part, `${folder}/${process.pid}.json`);
}

function attempt(ran) {
  try {
    report(ran);
  } catch {
    // The service matters more.
  }
}

try {
  if (folder && require('node:worker_threads').isMainThread) {
    attempt(false);
    // By then the main module has run.
    setImmediate(attempt, true).unref();
  }
} catch {
  // As above.
}
