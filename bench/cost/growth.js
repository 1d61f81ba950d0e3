'use strict';
// How heapgap's calls grow with the process that they look at.

const fs = require('node:fs');

const { buildFloors, inTurn, runChild } = require('../child.js');
const { hasRoom, underHeapgap } = require('./configuration.js');

const ROUNDS = 7;
const QUICK_ROUNDS = 3;
/** What takes long to refresh, heapgap refreshes a thousandth of the time, off the JavaScript thread. */
const REST_MS = 1000;
const MB_PER_GB = 1024;

const GROWTH = [
  { over: 'arenas', unit: 'arenas', full: [8, 32, 128, 512], quick: [8, 128], restMs: REST_MS },
  { over: 'threads', unit: 'threads', full: [16, 64, 256, 1024], quick: [16, 128] },
  { over: 'mappings', unit: 'mappings', full: [1000, 5000, 20_000, 60_000], quick: [1000, 10_000] },
  { over: 'heap', unit: 'GB of heap', full: [0.05, 0.5, 2, 8], quick: [0.05, 0.5] },
];

/** proc_sys_vm(5). What the process has of its own comes and goes meanwhile. */
function mayMap(count, say) {
  const most = Number(fs.readFileSync('/proc/sys/vm/max_map_count', 'utf8'));
  if (count < most * 0.95) return true;
  say(`left out: ${count} mappings, since vm.max_map_count is ${most}`);
  return false;
}

function fits({ over, unit }, at, say) {
  if (over === 'mappings') return mayMap(at, say);
  return over !== 'heap' || hasRoom(at * MB_PER_GB, `${at} ${unit}`, say);
}

const confOf = ({ over }, at) => (over === 'arenas' ? `narenas:${at}` : '');

/**
 * V8 needs room to move what survives, and a young generation that what watches the event loop does not fill: a
 * collection of it would hold the loop, the longer the larger the whole heap.
 */
const heapFlags = (gigabytes) => [
  `--max-old-space-size=${Math.ceil(gigabytes * 1.25 * MB_PER_GB + 512)}`,
  ...['--min-semi-space-size=256', '--max-semi-space-size=256'],
];

async function measureGrowth({ quick, say }) {
  say('building what processes grow by …');
  const addon = buildFloors();
  return inTurn(GROWTH, async (growth) => {
    const { over, unit, restMs = 0 } = growth;
    const wanted = quick ? growth.quick : growth.full;
    const points = await inTurn(
      wanted.filter((at) => fits(growth, at, say)),
      (at) => {
        say(`cost at ${at} ${unit} …`);
        const args = [addon, over, at, quick ? QUICK_ROUNDS : ROUNDS, restMs];
        const words = underHeapgap(confOf(growth, at));
        const flags = over === 'heap' ? heapFlags(at) : [];
        return runChild('cost-growth.js', args, { words, flags });
      },
    );
    return { over, unit, points };
  });
}

module.exports = { measureGrowth };
