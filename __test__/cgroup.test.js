'use strict';
// The parsers are tested on fixtures, in src/sources/cgroup; here is a real kernel.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const path = require('node:path');
const { inCgroup, makeCgroup } = require('./support/cgroup.js');
const { finished } = require('./support/child.js');

const MIB = 1024 * 1024;

test('a real memory cgroup: limit and usage are right, and an OOM kill is counted', async (t) => {
  const group = makeCgroup(t, 256 * MIB);
  if (group === null) return;
  const script = path.join(__dirname, 'children', 'cgroup.js');
  const ended = await finished('/bin/sh', inCgroup(group, [process.execPath, script]));
  assert.equal(ended.code, 0, ended.stderr);
  const { before, after, signal } = JSON.parse(ended.stdout);
  assert.equal(before.cgroup.version, group.v1 ? 1 : 2);
  assert.equal(before.cgroup.limit, 256 * MIB);
  assert.ok(before.cgroup.path.endsWith(path.basename(group.folder)), before.cgroup.path);
  // What the process has touched is charged to its group; code may be charged to another.
  assert.ok(before.cgroup.usage >= before.process.anon, `${before.cgroup.usage}`);
  assert.ok(before.cgroup.usage <= 256 * MIB);
  assert.ok(before.cgroup.unreclaimable >= 64 * MIB);
  assert.ok(before.cgroup.unreclaimable <= before.cgroup.usage);
  assert.ok(before.cgroup.peak >= before.cgroup.usage);
  assert.equal(before.cgroup.oomKills, 0);
  assert.equal(signal, 'SIGKILL', 'the hog was ended by the kernel');
  assert.equal(after.cgroup.oomKills, 1);
  assert.ok(after.cgroup.peak >= 250 * MIB, `${after.cgroup.peak}`);
});

test('the figures are those of the group, not of the machine', async (t) => {
  const group = makeCgroup(t, 300 * MIB);
  if (group === null) return;
  const script = "process.stdout.write(JSON.stringify(require('..').snapshot().cgroup))";
  const command = inCgroup(group, [process.execPath, '-e', script]);
  const ended = await finished('/bin/sh', command, { cwd: __dirname });
  assert.equal(ended.code, 0, ended.stderr);
  const cgroup = JSON.parse(ended.stdout);
  assert.equal(cgroup.limit, 300 * MIB);
  const peak = Number(group.read(group.v1 ? 'memory.max_usage_in_bytes' : 'memory.peak'));
  assert.ok(cgroup.peak <= peak, `${cgroup.peak} and ${peak}`);
  assert.ok(cgroup.peak > peak - 32 * MIB, `${cgroup.peak} and ${peak}`);
});
