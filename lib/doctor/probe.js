'use strict';
// Required into every Node.js process of a command that doctor runs: writes down who serves malloc
// there. Without the variable that doctor sets it does nothing, and it never disturbs its host.

const folder = process.env.HEAPGAP_DOCTOR_REPORTS;

function report() {
  const fs = require('node:fs');
  const { addon, allocator, why } = require('../native.js');
  const { codeFiles } = require('./facts/maps.js');
  const { ownOptions } = require('./facts/options.js');
  const { LD_PRELOAD, MALLOC_CONF, NODE_OPTIONS, LD_LIBRARY_PATH } = process.env;
  const facts = {
    pid: process.pid,
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
  const file = `${folder}/${process.pid}`;
  fs.writeFileSync(`${file}.part`, JSON.stringify(facts), { mode: 0o600, flag: 'w' });
  fs.renameSync(`${file}.part`, `${file}.json`);
}

if (folder) {
  try {
    if (require('node:worker_threads').isMainThread) report();
  } catch {
    // The service matters more.
  }
}
