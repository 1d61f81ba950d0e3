'use strict';

const assert = require('node:assert/strict');
const { before, test } = require('node:test');
const { JEMALLOCS, preload } = require('./support/allocators.js');
const { finished, runChild } = require('./support/child.js');
const { lacks } = require('./support/faulty.js');
const { MAJORS, binary, installNodes } = require('./support/nodes.js');

const MIB = 1024 * 1024;

before(installNodes);

const bytes = (ledger, name) => ledger.parts[name].bytes ?? 0;
const total = (ledger) =>
  Object.keys(ledger.parts).reduce((sum, name) => sum + bytes(ledger, name), 0);

function assertSums(ledger, share) {
  assert.equal(total(ledger), ledger.rss);
  for (const [name, { bytes, accuracy, source }] of Object.entries(ledger.parts)) {
    assert.ok(bytes === null || (Number.isInteger(bytes) && bytes >= 0), `${name}: ${bytes}`);
    assert.equal(bytes === null, accuracy === null, name);
    assert.ok(source.length > 0, name);
  }
  const unattributed = bytes(ledger, 'unattributed') / ledger.rss;
  assert.ok(unattributed <= share, `${(100 * unattributed).toFixed(1)} % is unattributed`);
}

/** Runs children/inspect.js; what may be unattributed is 5 % of RSS, 10 % on glibc. */
async function inspected(t, name, what, options = {}) {
  const libraries = preload(t, name);
  if (libraries === null) return null;
  const child = await runChild('inspect.js', {
    preload: libraries,
    nodeArgs: ['--expose-gc'],
    ...options,
    args: [what, ...(options.args ?? [])],
  });
  for (const { ledger } of [child.before, child.after]) {
    assertSums(ledger, name === 'glibc' ? 0.1 : 0.05);
  }
  assert.equal(child.after.process.rss, child.after.ledger.rss);
  return child;
}

/** What `code` prints as JSON where /proc is empty; `null` where that cannot be had. */
async function withoutProc(t, code) {
  const hide = 'mount -t tmpfs none /proc && exec "$0" -e "$1"';
  const ended = await finished(
    'unshare',
    ['--mount', '/bin/sh', '-c', hide, process.execPath, code],
    { cwd: __dirname },
  ).catch(() => ({ code: 1 }));
  if (ended.code === 0) return JSON.parse(ended.stdout);
  return lacks(t, `a mount namespace of its own: ${ended.stderr}`) ?? null;
}

const moved = ({ before, after }, name) => bytes(after.ledger, name) - bytes(before.ledger, name);
const within = (value, expected, share) => Math.abs(value - expected) <= share * expected;

for (const name of ['glibc', ...JEMALLOCS]) {
  test(`${name}: 100 MiB of Buffers are Buffers, within 10 %`, async (t) => {
    // jemalloc 5.3.1 counts as dirty what it pads large blocks with, and never touches it.
    const env = { MALLOC_CONF: name === 'jemalloc 5.3.1' ? 'cache_oblivious:false' : '' };
    const child = await inspected(t, name, 'buffers', { env });
    if (child === null) return;
    const buffers = moved(child, 'buffers');
    assert.ok(within(buffers, 100 * MIB, 0.1), `${buffers / MIB} MiB`);
  });

  test(`${name}: RSS, V8's heap and descriptors are the kernel's`, async (t) => {
    const child = await inspected(t, name, 'nothing');
    if (child === null) return;
    const { after, truth } = child;
    // The child allocates between the two readings.
    assert.ok(
      Math.abs(after.ledger.rss - truth.rss) < 8 * MIB,
      `${after.ledger.rss}, ${truth.rss}`,
    );
    const v8 = bytes(after.ledger, 'v8Heap') + bytes(after.ledger, 'v8Workers');
    assert.ok(Math.abs(v8 - truth.v8) < 4 * MIB, `${v8}, ${truth.v8}`);
    assert.ok(bytes(after.ledger, 'stacks') >= truth.mainStack);
    assert.ok(Math.abs(after.process.fds - truth.fds) <= 2, `${after.process.fds}, ${truth.fds}`);
    const spaces = after.ledger.parts.v8Heap.of.map((space) => space.name);
    assert.ok(spaces.includes('old_space'), spaces.join());
  });

  test(`${name}: one survivor in eight pins its pages`, async (t) => {
    // Nothing but the purge may return what is dirty.
    const env = { MALLOC_CONF: 'dirty_decay_ms:-1' };
    const child = await inspected(t, name, 'survivors', { args: ['purge'], env });
    if (child === null) return;
    assert.ok(moved(child, 'pinned') > 100 * MIB, `${moved(child, 'pinned') / MIB} MiB are pinned`);
    const dirty = bytes(child.after.ledger, 'dirty');
    const { released } = child.purge;
    assert.ok(Math.abs(released - dirty) < 8 * MIB, `${dirty / MIB}, ${released / MIB} MiB`);
  });

  test(`${name}: arenas and size classes are those of the allocator`, async (t) => {
    const child = await inspected(t, name, 'survivors');
    if (child === null) return;
    const { arenas, sizeClasses, allocator } = child.after;
    assert.ok(arenas.length >= 1);
    assert.ok(sizeClasses.length >= 1);
    const pinned = arenas.reduce((sum, arena) => sum + arena.pinned, 0);
    assert.ok(within(pinned, bytes(child.after.ledger, 'pinned'), 0.1), `${pinned / MIB} MiB`);
    if (name === 'glibc') return;
    const [worst] = sizeClasses;
    assert.deepEqual([worst.size, worst.kind], [512, 'small']);
    assert.ok(worst.waste > 0.7 * allocator.pinned, `${worst.waste} of ${allocator.pinned}`);
  });
}

test('without /proc nothing is made up', async (t) => {
  const hidden = await withoutProc(
    t,
    `
    const heapgap = require('..');
    heapgap.inspect().then((inspection) => process.stdout.write(JSON.stringify(inspection)));`,
  );
  if (hidden === null) return;
  assert.equal(hidden.process.rss, null);
  assert.equal(hidden.process.peak, null);
  assert.equal(hidden.gap, null);
  assert.equal(hidden.ledger.rss, null);
  const noted = hidden.notes.map(({ field }) => field);
  for (const field of ['process.rss', 'gap', 'mappings', 'threads', 'io']) {
    assert.ok(noted.includes(field), `${field}: ${noted}`);
  }
});

for (const name of ['glibc', JEMALLOCS[0]]) {
  test(`${name}: RSS is never above its peak`, async (t) => {
    const child = await inspected(t, name, 'buffers');
    if (child === null) return;
    for (const { process: memory } of [child.before, child.after]) {
      assert.ok(memory.rss <= memory.peak, `${memory.rss}, ${memory.peak}`);
    }
  });
}

test('an inspection that fails has a code of heapgap', async () => {
  const code = `
    const { addon } = require('../lib/native.js');
    addon.inspect = async () => { throw Object.assign(new Error('x'), { code: 'GenericFailure' }); };
    require('..').inspect().catch(({ code }) => process.stdout.write(code));`;
  const { stdout } = await finished(process.execPath, ['-e', code], { cwd: __dirname });
  assert.equal(stdout, 'ERR_HEAPGAP_INTERNAL');
});

test('an inspection knows what it costs', async () => {
  const { inspect } = require('../index.js');
  const before = process.cpuUsage();
  const { cpuMs } = await inspect();
  const { user, system } = process.cpuUsage(before);
  assert.ok(cpuMs > 0, `${cpuMs} ms`);
  assert.ok(cpuMs <= (user + system) / 1000, `${cpuMs} ms of ${(user + system) / 1000} in all`);
});

test('workers that have ended are forgotten by who never inspects', async () => {
  const code = `
    const { setImmediate } = require('node:timers/promises');
    require('..');
    (async () => {
      for (let index = 0; index < 300; index += 1) process.emit('worker', { threadId: -1 });
      await setImmediate();
      gc();
      process.stdout.write(String(v8.queryObjects(WeakRef, { format: 'count' })));
    })();`;
  const options = { cwd: __dirname };
  const ended = await finished(binary(24), ['--expose-gc', '-e', code], options);
  assert.ok(ended.stdout !== '' && Number(ended.stdout) < 100, ended.stdout || ended.stderr);
});

test('many workers are not asked in one turn of the event loop', async () => {
  const code = `
    const { readIsolates } = require('../lib/isolates.js');
    let [asked, inThisTurn, most] = [0, 0, 0];
    const heap = { total_physical_size: 1, used_heap_size: 1, total_heap_size: 1, external_memory: 1 };
    async function getHeapStatistics() {
      if (inThisTurn === 0) setImmediate(() => { inThisTurn = 0; });
      asked += 1;
      inThisTurn += 1;
      most = Math.max(most, inThisTurn);
      return heap;
    }
    const workers = Array.from({ length: 40 }, (_, threadId) => ({ threadId, getHeapStatistics }));
    for (const worker of workers) process.emit('worker', worker);
    readIsolates().then(({ workers: answers, others }) => {
      process.stdout.write(JSON.stringify({ asked, most, others, answers: answers.length, kept: workers.length }));
    });`;
  const ended = await finished(binary(24), ['-e', code], { cwd: __dirname });
  const { most, ...counted } = JSON.parse(ended.stdout || `"${ended.stderr}"`);
  assert.deepEqual(counted, { asked: 40, others: 40, answers: 40, kept: 40 });
  assert.ok(most <= 8, `${most} in one turn`);
});

for (const name of ['glibc', ...JEMALLOCS]) {
  test(`${name}: a Buffer that nobody wrote to hides no native memory`, async (t) => {
    const child = await inspected(t, name, 'untouched');
    if (child === null) return;
    const [native, buffers] = ['native', 'buffers'].map((part) => moved(child, part) / MIB);
    assert.ok(native > 30, `${native} MiB are native`);
    assert.ok(buffers < 10, `${buffers} MiB are Buffers`);
  });
}

for (const major of MAJORS) {
  test(`Node.js ${major}: workers' heaps are theirs, and no native memory`, async (t) => {
    const child = await inspected(t, 'glibc', 'workers', { node: binary(major) });
    if (child === null) return;
    const { after } = child;
    assert.equal(after.otherIsolates, 3);
    // Each holds 200,000 objects, 10 MB of them at the least.
    const heaps = bytes(after.ledger, 'v8Workers');
    assert.ok(heaps > 3 * 10 * MIB, `${heaps / MIB} MiB`);
    assert.ok(heaps < 3 * 40 * MIB, `${heaps / MIB} MiB`);
    if (after.workers === null) {
      assert.ok(after.notes.some(({ field }) => field === 'workers'));
      return;
    }
    assert.equal(after.workers.length, 3);
    assert.equal(after.ledger.parts.v8Workers.of.length, 3);
    assert.ok(
      within(moved(child, 'buffers'), 60 * MIB, 0.2),
      `${moved(child, 'buffers') / MIB} MiB`,
    );
    assert.ok(moved(child, 'native') < 8 * MIB, `${moved(child, 'native') / MIB} MiB`);
  });

  const outsideOfTheHeap = { wasm: 'WebAssembly memory', resizable: 'what can grow' };
  for (const [what, said] of Object.entries(outsideOfTheHeap)) {
    test(`Node.js ${major}: ${said} is a Buffer`, async (t) => {
      const child = await inspected(t, 'glibc', what, { node: binary(major) });
      if (child === null) return;
      const [buffers, heap] = ['buffers', 'v8Heap'].map((part) => moved(child, part));
      assert.ok(within(buffers, 50 * MIB, 0.1), `${buffers / MIB} MiB`);
      assert.ok(heap < 8 * MIB, `${heap / MIB} MiB`);
    });
  }
}

test('without an addon every field that is an object is one', async () => {
  const code = `
    Object.defineProperty(process, 'platform', { value: 'darwin' });
    require('..').inspect().then((inspection) => process.stdout.write(JSON.stringify(inspection)));`;
  const { stdout } = await finished(process.execPath, ['-e', code], { cwd: __dirname });
  const { hugePages, notes } = JSON.parse(stdout);
  assert.deepEqual(hugePages, { mode: null, bytes: null, zeroShare: null });
  assert.ok(notes.some(({ field }) => field === 'hugePages'));
});
