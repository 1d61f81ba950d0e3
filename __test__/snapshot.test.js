'use strict';

const assert = require('node:assert/strict');
const fs = require('node:fs');
const net = require('node:net');
const path = require('node:path');
const { test } = require('node:test');
const v8 = require('node:v8');
const heapgap = require('..');
const table = require('../lib/table.js');
const { inCgroup, makeCgroup } = require('./support/cgroup.js');
const { finished } = require('./support/child.js');

const MIB = 1024 * 1024;

test('each of V8’s figures is the one that its name says', (t) => {
  const heap = {
    total_heap_size: 11,
    total_heap_size_executable: 12,
    total_physical_size: 13,
    total_available_size: 14,
    used_heap_size: 15,
    heap_size_limit: 16,
    malloced_memory: 17,
    peak_malloced_memory: 18,
    does_zap_garbage: 19,
    number_of_native_contexts: 20,
    number_of_detached_contexts: 21,
    total_global_handles_size: 22,
    used_global_handles_size: 23,
    external_memory: 24,
  };
  const memory = { rss: 25, heapTotal: 11, heapUsed: 15, external: 24, arrayBuffers: 26 };
  const space = (name, first) => ({
    space_name: name,
    space_size: first,
    space_used_size: first + 1,
    space_available_size: first + 2,
    physical_space_size: first + 3,
  });
  t.mock.method(v8, 'getHeapStatistics', () => heap);
  t.mock.method(v8, 'getHeapSpaceStatistics', () => [space('one', 31), space('two', 41)]);
  t.mock.method(process, 'memoryUsage', () => memory);
  assert.deepEqual(heapgap.snapshot().v8, {
    heapTotal: 11,
    heapUsed: 15,
    heapLimit: 16,
    heapPhysical: 13,
    heapExecutable: 12,
    external: 24,
    arrayBuffers: 26,
    malloced: 17,
    mallocedPeak: 18,
    globalHandles: 22,
    nativeContexts: 20,
    detachedContexts: 21,
    spaces: [
      { name: 'one', size: 31, used: 32, available: 33, physical: 34 },
      { name: 'two', size: 41, used: 42, available: 43, physical: 44 },
    ],
  });
});

test('V8’s figures are those of the moment', () => {
  const before = heapgap.snapshot().v8;
  const buffer = new ArrayBuffer(64 * MIB);
  // Node.js keeps the characters of a string as long as this outside of V8's heap.
  const text = Buffer.alloc(32 * MIB, 'a').toString('latin1');
  const objects = Array.from({ length: MIB }, (_, index) => ({ index }));
  const { v8: now, process: kernel, gap } = heapgap.snapshot();
  const memory = process.memoryUsage();
  const heap = v8.getHeapStatistics();
  // A collection may come between two readings.
  const near = (a, b) => assert.ok(Math.abs(a - b) < 16 * MIB, `${a} and ${b}`);
  near(now.heapTotal, memory.heapTotal);
  near(now.heapUsed, memory.heapUsed);
  near(now.heapPhysical, heap.total_physical_size);
  near(now.external, memory.external);
  near(now.arrayBuffers, memory.arrayBuffers);
  assert.ok(now.arrayBuffers - before.arrayBuffers > 0.9 * buffer.byteLength);
  const strings = ({ external, arrayBuffers }) => external - arrayBuffers;
  near(strings(now) - strings(before), text.length);
  assert.ok(now.heapUsed - before.heapUsed > objects.length * 16);
  assert.equal(now.heapLimit, heap.heap_size_limit);
  assert.equal(now.heapExecutable, heap.total_heap_size_executable);
  assert.equal(now.nativeContexts, heap.number_of_native_contexts);
  assert.deepEqual(
    now.spaces.map(({ name }) => name),
    v8.getHeapSpaceStatistics().map((space) => space.space_name),
  );
  assert.equal(gap, kernel.rss - now.heapPhysical);
});

test('resources are counted by type', async (t) => {
  const servers = [1, 2].map(() => net.createServer().listen(0, '127.0.0.1'));
  t.after(() => servers.map((server) => server.close()));
  await Promise.all(
    servers.map((server) => new Promise((resolve) => server.once('listening', resolve))),
  );
  const before = heapgap.snapshot().resources;
  const timers = [1, 2, 3].map(() => setTimeout(() => {}, 60_000));
  t.after(() => timers.forEach(clearTimeout));
  const after = heapgap.snapshot().resources;
  assert.equal(after.TCPServerWrap, 2);
  assert.equal(after.Timeout, (before.Timeout ?? 0) + 3);
  const without = heapgap.snapshot({ resources: false });
  assert.equal(without.resources, null);
  const { reason } = without.notes.find(({ field }) => field === 'resources');
  assert.match(reason, /left out/);
});

test('resources are left out once they took too long to count, and come back', (t) => {
  let many = 5000;
  const list = t.mock.method(process, 'getActiveResourcesInfo', () => {
    const started = performance.now();
    while (performance.now() - started < 3);
    return Array(many).fill('Timeout');
  });
  const count = (options) => heapgap.snapshot(options).resources?.Timeout ?? null;
  assert.equal(count(), 5000, 'the first time tells how long it takes');
  const { resources, notes } = heapgap.snapshot();
  assert.equal(resources, null);
  const { reason } = notes.find(({ field }) => field === 'resources');
  assert.match(reason, /more than 1 ms/);
  assert.equal(list.mock.callCount(), 1);
  assert.equal(count({ resources: true }), 5000);
  assert.equal(count(), null, 'they are still too many');
  many = 10;
  assert.equal(count(), null, 'nobody has looked');
  assert.equal(count({ resources: true }), 10);
  assert.equal(count(), 10, 'a few are counted however long that took: it was something else');
  assert.equal(count(), 10);
});

test('maxAgeMs lets a reading be reused', () => {
  const { cgroup, v8 } = heapgap.snapshot();
  const held = Buffer.allocUnsafeSlow(16 * MIB).fill(1);
  const reused = heapgap.snapshot({ maxAgeMs: 60_000 });
  const fresh = heapgap.snapshot();
  assert.ok(fresh.allocator.allocated - reused.allocator.allocated >= 15 * MIB);
  assert.ok(reused.allocator.ageMs > fresh.allocator.ageMs);
  assert.deepEqual(reused.cgroup, cgroup);
  assert.equal(reused.v8.arrayBuffers, v8.arrayBuffers);
  assert.ok(fresh.v8.arrayBuffers - v8.arrayBuffers >= 15 * MIB);
  assert.equal(held.length, 16 * MIB);
});

test('pressure says whose it is', () => {
  const slots = table.emptySlots().fill(1);
  assert.equal(table.cgroupOf(slots, 1, '/').pressure.of, 'system');
  assert.equal(table.cgroupOf(slots, 2, '/').pressure.of, 'cgroup');
  const { version, pressure } = heapgap.snapshot().cgroup;
  const isV1 = /:memory:/.test(fs.readFileSync('/proc/self/cgroup', 'utf8'));
  if (version !== null) assert.equal(version, isV1 ? 1 : 2);
  if (pressure !== null) assert.equal(pressure.of, isV1 ? 'system' : 'cgroup');
});

test('words follow the figures: the group’s path, and the note of a missing limit', async (t) => {
  const group = makeCgroup(t, 256 * MIB);
  if (group === null) return;
  const script = path.join(__dirname, 'children', 'limits.js');
  const file = group.v1 ? 'memory.limit_in_bytes' : 'memory.max';
  const args = [script, path.join(group.folder, file), group.v1 ? '-1' : 'max'];
  const ended = await finished('/bin/sh', inCgroup(group, [process.execPath, ...args]));
  assert.equal(ended.code, 0, ended.stderr);
  const [limited, free, again] = JSON.parse(ended.stdout);
  for (const { cgroup, fields } of [limited, again]) {
    assert.equal(cgroup.limit, 256 * MIB);
    assert.equal(path.basename(cgroup.path), path.basename(group.folder));
    assert.ok(!fields.includes('cgroup.limit'));
  }
  assert.notEqual(free.cgroup.limit, 256 * MIB);
  // A group around it may have a limit as well.
  assert.equal(free.fields.includes('cgroup.limit'), free.cgroup.limit === null);
  if (free.cgroup.limit !== null) assert.notEqual(free.cgroup.path, limited.cgroup.path);
});
