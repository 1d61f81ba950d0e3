'use strict';
// Times readings and their floors in turn, in rounds, and prints microseconds a call.

const path = require('node:path');
const v8 = require('node:v8');
const heapgap = require('../..');
const { micros } = require('./timing.js');
const floors = require(process.argv[2]);

const ROUNDS = 15;
const CALLS = 2000;

/** The files that a snapshot reads. */
function files() {
  const { version, path: group } = heapgap.snapshot().cgroup;
  const names = {
    1: ['limit_in_bytes', 'usage_in_bytes', 'stat', 'max_usage_in_bytes', 'oom_control'],
    2: ['max', 'high', 'current', 'stat', 'peak', 'events', 'pressure'],
  };
  const mount = version === 1 ? '/sys/fs/cgroup/memory' : '/sys/fs/cgroup';
  const cgroup = (names[version] ?? []).map((name) => path.join(mount, group, `memory.${name}`));
  const pressure = version === 1 ? ['/proc/pressure/memory'] : [];
  return ['/proc/self/status', ...cgroup, ...pressure];
}

function v8Calls() {
  process.memoryUsage();
  v8.getHeapStatistics();
  v8.getHeapSpaceStatistics();
  process.getActiveResourcesInfo();
}

function round(list, isJemalloc) {
  const mallctl = isJemalloc ? floors.bareMallctl(CALLS) : null;
  const allocator = mallctl ?? micros(() => heapgap.stats());
  const stats = micros(() => heapgap.stats());
  const statsAged = micros(() => heapgap.stats({ maxAgeMs: 100 }));
  const preads = floors.barePreads(list, CALLS);
  const descriptors = floors.bareStat('/proc/self/fd', CALLS);
  const isolate = micros(v8Calls);
  return {
    mallctl,
    stats,
    statsAged,
    floor: allocator + preads + descriptors + isolate,
    snapshot: micros(() => heapgap.snapshot()),
    snapshotAged: micros(() => heapgap.snapshot({ maxAgeMs: 100 })),
    memoryUsage: micros(() => process.memoryUsage()),
    memoryUsageRss: micros(() => process.memoryUsage.rss()),
    rss: micros(() => floors.rss()),
  };
}

const list = files();
const isJemalloc = heapgap.allocator().name === 'jemalloc';
floors.allocator();
round(list, isJemalloc);
const rounds = Array.from({ length: ROUNDS }, () => round(list, isJemalloc));
process.stdout.write(JSON.stringify(rounds));
