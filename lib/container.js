'use strict';
// What the container has: CPUs, memory, huge pages. Read once, at a start or by `heapgap doctor`.

const os = require('node:os');

const { addon, why } = require('./native.js');

/** Where a limit is none, process.constrainedMemory() answers 0 or nearly 2^64. */
const UNLIMITED = 2 ** 62;

/**
 * What the container of this process has, or of the process `pid`; `root` stands for `/`.
 *
 * - `cpus`: how many CPUs the process can keep busy at once: the least of the quota rounded up, the
 *   cpuset, the affinity mask and the machine; at least 1
 * - `cpuQuota`: CPU time that the cgroups allow, in CPUs, such as 1.5
 * - `cpuset`, `affinity`: how many online CPUs the cgroup's cpuset has, and the affinity mask, which is
 *   what jemalloc counts
 * - `hostCpus`: how many CPUs are online
 * - `memoryLimit`: the lowest hard limit in force, in bytes
 * - `thp`: the machine's mode of transparent huge pages: `always`, `madvise` or `never`
 *
 * What is not known is `null`, and `notes` has `{ field, reason }`.
 */
function container({ root, pid } = {}) {
  const own = root === undefined && (pid === undefined || pid === process.pid);
  const found = addon ? addon.container(root, own ? undefined : pid) : withoutAddon(own);
  const cpus = cpusOf(found);
  if (cpus === null)
    found.notes.push({ field: 'cpus', reason: 'none of what bounds them is known' });
  return { cpus, ...found };
}

function cpusOf({ cpuQuota, cpuset, affinity, hostCpus }) {
  const bounds = [cpuQuota && Math.ceil(cpuQuota), cpuset, affinity, hostCpus];
  const known = bounds.filter((bound) => bound !== null);
  return known.length > 0 ? Math.max(1, Math.min(...known)) : null;
}

/** What Node.js knows, and only about its own process. */
function withoutAddon(own) {
  const limit = own ? process.constrainedMemory() : 0;
  const known = {
    cpuQuota: null,
    cpuset: null,
    // Newer versions of libuv count a quota in; either way not more than the process may use.
    affinity: own ? os.availableParallelism() : null,
    hostCpus: null,
    memoryLimit: limit > 0 && limit < UNLIMITED ? limit : null,
    thp: null,
  };
  const missing = Object.keys(known).filter((field) => known[field] === null);
  return { ...known, notes: missing.map((field) => ({ field, reason: why })) };
}

module.exports = { container };
