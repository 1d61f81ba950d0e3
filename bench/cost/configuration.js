'use strict';
// What is measured: a process as `heapgap run` starts it.

const os = require('node:os');

const { UNGOVERNED, contenders } = require('../contenders.js');
const { MIB } = require('../process.js');

/** The words before `node`. What `conf` says goes before what heapgap tells jemalloc. */
const underHeapgap = (conf = '') => [
  'env',
  `MALLOC_CONF=${conf}`,
  ...contenders(UNGOVERNED)[0].words,
];

/** What is to stay free beside a process that grows. */
const SPARE_MB = 1024;

/** Whether the machine has room for so much more; says so where it has not. */
function hasRoom(megabytes, what, say) {
  const freeMb = os.freemem() / MIB;
  if (freeMb > megabytes + SPARE_MB) return true;
  say(`left out: ${what}, since only ${Math.round(freeMb)} MB of memory are free`);
  return false;
}

module.exports = { hasRoom, underHeapgap };
