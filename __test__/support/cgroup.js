'use strict';
// Cgroups of one's own, version 1 or 2, below the one that this process runs in. The benchmarks make
// theirs with it too.

const fs = require('node:fs');
const path = require('node:path');

const PERIOD_US = 100_000;

/** Where version 1 mounts each controller, and what limits it. */
const V1 = {
  memory: (bytes) => ({
    'memory.limit_in_bytes': bytes,
    // What is swapped out would neither be killed nor seen (cgroup-v1/memory.rst, 5.3).
    'memory.swappiness': 0,
  }),
  cpu: (cpus) => ({ 'cpu.cfs_period_us': PERIOD_US, 'cpu.cfs_quota_us': cpus * PERIOD_US }),
};
const V2 = {
  memory: (bytes) => ({ 'memory.max': bytes, 'memory.swap.max': 0 }),
  cpu: (cpus) => ({ 'cpu.max': `${cpus * PERIOD_US} ${PERIOD_US}` }),
};
const ROOT = '/sys/fs/cgroup';

/** Not where the kernel was built without swap. */
const isOptional = (file) => file.startsWith('memory.swap');

let made = 0;

/** The folder of a new group for one controller, and its path below the mount. */
function place(controller) {
  const own = fs.readFileSync('/proc/self/cgroup', 'utf8');
  const [, v1] = new RegExp(`^\\d+:(?:[^:]*,)?${controller}(?:,[^:]*)?:(.*)$`, 'm').exec(own) ?? [];
  const name = `heapgap-${process.pid}-${made}`;
  if (v1 !== undefined) {
    const group = path.join(v1, name);
    return { v1: true, path: group, folder: path.join(ROOT, controller, group) };
  }
  const [, v2] = /^0::(.*)$/m.exec(own);
  // Version 2 allows no group inside one that has processes, so a sibling of our own.
  const group = path.join(path.dirname(v2), name);
  return { v1: false, path: group, folder: path.join(ROOT, group) };
}

/** Makes a group that has all of `limits`: `memory` in bytes, `cpu` in CPUs. Throws where it cannot. */
function createCgroup(limits) {
  made += 1;
  const folders = new Set();
  const remove = () => {
    for (const folder of folders) fs.rmdirSync(folder);
    folders.clear();
  };
  try {
    for (const [controller, limit] of Object.entries(limits)) {
      const { v1, folder } = place(controller);
      fs.mkdirSync(folder, { recursive: true });
      folders.add(folder);
      for (const [file, value] of Object.entries((v1 ? V1 : V2)[controller](limit))) {
        const full = path.join(folder, file);
        if (isOptional(file) && !fs.existsSync(full)) continue;
        fs.writeFileSync(full, String(value));
      }
    }
  } catch (error) {
    remove();
    throw error;
  }
  const [first] = Object.keys(limits);
  return { folders: [...folders], ...place(first), remove };
}

/**
 * Makes a group, removed after the test `t`. `limits` are as for `createCgroup`, or bytes of memory.
 * Where groups cannot be made the test is skipped, and fails under CI.
 */
function makeCgroup(t, limits) {
  try {
    const group = createCgroup(typeof limits === 'number' ? { memory: limits } : limits);
    t.after(group.remove);
    const read = (name) => fs.readFileSync(path.join(group.folder, name), 'utf8').trim();
    return { ...group, read };
  } catch (error) {
    const message = `no cgroup can be made: ${error.message}`;
    if (process.env.CI) throw new Error(message);
    t.skip(message);
    return null;
  }
}

/** The words of a shell command that runs `command` inside the group. */
function inCgroup({ folders }, command) {
  const enter = folders.map((_, index) => `echo $$ > "$${index + 1}/cgroup.procs" && `).join('');
  const script = `${enter}shift ${folders.length} && exec "$@"`;
  return ['-c', script, 'sh', ...folders, ...command];
}

module.exports = { createCgroup, inCgroup, makeCgroup };
