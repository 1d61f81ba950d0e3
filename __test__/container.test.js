'use strict';
// What the container has: fixtures stand for /proc and /sys, then a real kernel.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { describe, test } = require('node:test');
const { container } = require('../lib/container.js');
const { inCgroup, makeCgroup } = require('./support/cgroup.js');
const { finished, runChild } = require('./support/child.js');

const MIB = 2 ** 20;
const FIXTURES = path.join(__dirname, 'fixtures', 'container');
const LIB = path.join(__dirname, '..', 'lib', 'container.js');

const read = (name, options) => container({ root: path.join(FIXTURES, name), ...options });

/** What is found, and of what is missing why. */
function split({ notes, ...found }) {
  return { found, why: Object.fromEntries(notes.map(({ field, reason }) => [field, reason])) };
}

describe('fixtures', () => {
  test('version 2: a fractional quota, and a cpuset with gaps', () => {
    const { found, why } = split(read('v2-docker'));
    assert.deepEqual(found, {
      cpus: 2,
      cpuQuota: 1.5,
      cpuset: 7,
      affinity: 7,
      hostCpus: 64,
      memoryLimit: 512 * MIB,
      thp: 'madvise',
    });
    assert.deepEqual(why, {});
  });

  test('version 2: the group around has the tighter quota; the cpuset is the group’s own', () => {
    const { found, why } = split(read('v2-pod'));
    assert.deepEqual(found, {
      cpus: 1,
      cpuQuota: 0.5,
      cpuset: 2,
      affinity: 8,
      hostCpus: 8,
      memoryLimit: 1024 * MIB,
      thp: 'always',
    });
    assert.deepEqual(why, {});
  });

  test('version 2: no quota, no limit, no cpuset but the root’s; the mask names CPUs that are offline', () => {
    const { found, why } = split(read('v2-login'));
    assert.deepEqual(found, {
      cpus: 2,
      cpuQuota: null,
      cpuset: 2,
      affinity: 2,
      hostCpus: 2,
      memoryLimit: null,
      thp: 'madvise',
    });
    assert.deepEqual(why, {
      cpuQuota: 'no limit is set (cpu.max)',
      memoryLimit: 'no limit is set (memory.max)',
    });
  });

  test('version 1: a quota under one CPU is one CPU', () => {
    const { found, why } = split(read('v1-docker'));
    assert.deepEqual(found, {
      cpus: 1,
      cpuQuota: 0.5,
      cpuset: 2,
      affinity: 2,
      hostCpus: 16,
      memoryLimit: 512 * MIB,
      thp: 'never',
    });
    assert.deepEqual(why, {});
  });

  test('version 1: the pod’s quota, over a period of its own, on a kernel without effective_cpus', () => {
    const { found, why } = split(read('v1-pod'));
    assert.deepEqual(found, {
      cpus: 3,
      cpuQuota: 2.5,
      cpuset: 8,
      affinity: 8,
      hostCpus: 8,
      memoryLimit: null,
      thp: 'madvise',
    });
    assert.deepEqual(why, { memoryLimit: 'no limit is set (memory.limit_in_bytes)' });
  });

  test('another process’s: its groups by our mounts', () => {
    const { found, why } = split(read('other-process', { pid: 4711 }));
    assert.deepEqual(found, {
      cpus: 2,
      cpuQuota: 3,
      cpuset: 2,
      affinity: 2,
      hostCpus: 4,
      memoryLimit: 256 * MIB,
      thp: 'madvise',
    });
    assert.deepEqual(why, {});
  });

  test('a process whose group cannot be seen has the machine’s CPUs', () => {
    const { found, why } = split(read('no-cgroup'));
    assert.deepEqual(found, {
      cpus: 4,
      cpuQuota: null,
      cpuset: null,
      affinity: 4,
      hostCpus: 4,
      memoryLimit: null,
      thp: null,
    });
    assert.match(why.cpuQuota, /not mounted here, or does not limit CPU time/);
    assert.match(why.cpuset, /not mounted here, or has no cpuset/);
    assert.match(why.memoryLimit, /not mounted here, or does not account memory/);
    assert.match(why.thp, /cannot read sys\/kernel\/mm\/transparent_hugepage\/enabled/);
  });

  test('what is malformed is not guessed at', () => {
    const { found, why } = split(read('v2-broken'));
    assert.deepEqual(new Set(Object.values(found)), new Set([null]));
    for (const field of ['cpuQuota', 'cpuset', 'affinity', 'hostCpus', 'memoryLimit', 'thp']) {
      assert.match(why[field], /not in the expected format/, field);
    }
    assert.equal(why.cpus, 'none of what bounds them is known');
  });

  test('a process that is gone', () => {
    const { found, why } = split(read('other-process', { pid: 4712 }));
    assert.equal(found.cpuQuota, null);
    assert.equal(found.hostCpus, 4);
    assert.match(why.cpuQuota, /cannot read proc\/<pid>\/cgroup: No such file/);
  });
});

describe('a real kernel', () => {
  test('a CPU quota and a memory limit', async (t) => {
    const group = makeCgroup(t, { cpu: 0.5, memory: 300 * MIB });
    if (group === null) return;
    const script = `const { container } = require(${JSON.stringify(LIB)});
      process.stdout.write(JSON.stringify([container(), container({ pid: process.ppid })]))`;
    const ended = await finished('/bin/sh', inCgroup(group, [process.execPath, '-e', script]));
    assert.equal(ended.code, 0, ended.stderr);
    const [inside, parent] = JSON.parse(ended.stdout);
    assert.equal(inside.cpuQuota, 0.5);
    assert.equal(inside.cpus, 1);
    assert.equal(inside.memoryLimit, 300 * MIB);
    assert.deepEqual(parent, container(), 'the parent is outside of the group');
  });

  test('an affinity mask', async () => {
    const script = `process.stdout.write(JSON.stringify(require(${JSON.stringify(LIB)}).container()))`;
    const ended = await finished('taskset', ['-c', '0', process.execPath, '-e', script]);
    assert.equal(ended.code, 0, ended.stderr);
    const { affinity, cpus } = JSON.parse(ended.stdout);
    assert.deepEqual({ affinity, cpus }, { affinity: 1, cpus: 1 });
  });

  test('the machine', () => {
    const { hostCpus, affinity, thp } = container();
    assert.equal(hostCpus, os.cpus().length);
    assert.ok(affinity >= 1 && affinity <= hostCpus);
    const modes = fs.readFileSync('/sys/kernel/mm/transparent_hugepage/enabled', 'utf8');
    assert.ok(modes.includes(`[${thp}]`), modes);
  });
});

test('without an addon: what Node.js knows about its own process, and why no more', async () => {
  const script = path.join(__dirname, 'children', 'container.js');
  const { own, other } = await runChild('elsewhere.js', { args: ['darwin', script] });
  assert.equal(own.cpus, os.availableParallelism());
  assert.equal(own.cpuQuota, null);
  assert.ok(own.notes.some(({ field, reason }) => field === 'thp' && /darwin/.test(reason)));
  assert.equal(other.cpus, null);
  assert.ok(other.notes.some(({ field }) => field === 'cpus'));
});
