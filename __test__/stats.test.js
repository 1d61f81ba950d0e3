'use strict';

const assert = require('node:assert/strict');
const path = require('node:path');
const { test } = require('node:test');
const heapgap = require('..');
const { addon } = require('../lib/native.js');
const table = require('../lib/table.js');
const { JEMALLOCS, preload } = require('./support/allocators.js');
const { finished, runChild } = require('./support/child.js');

const MIB = 1024 * 1024;

for (const name of ['glibc', 'tcmalloc', ...JEMALLOCS]) {
  test(`${name}: 256 MiB of live Buffers move allocated by 256 MiB`, async (t) => {
    const libraries = preload(t, name);
    if (libraries === null) return;
    const child = await runChild('truth.js', {
      preload: libraries,
      nodeArgs: ['--expose-gc'],
      args: [256],
    });
    const moved = child.after.allocated - child.before.allocated;
    assert.ok(Math.abs(moved - 256 * MIB) <= 2.56 * MIB, `moved by ${moved / MIB} MiB`);
    assert.equal(child.held, 256);
  });
}

for (const name of ['glibc', 'mimalloc', 'tcmalloc', ...JEMALLOCS]) {
  test(`${name}: process figures are the kernel's`, async (t) => {
    const libraries = preload(t, name);
    if (libraries === null) return;
    const child = await runChild('truth.js', {
      preload: libraries,
      nodeArgs: ['--expose-gc'],
      args: [64],
    });
    const { process: ours, gap, v8 } = child.snapshot;
    // The child allocates between the two readings.
    const near = (a, b) => Math.abs(a - b) < 4 * MIB;
    assert.ok(near(ours.rss, child.truth.rss), `${ours.rss} and ${child.truth.rss}`);
    assert.ok(near(ours.anon, child.truth.anon), `${ours.anon} and ${child.truth.anon}`);
    assert.ok(near(ours.peak, child.truth.peak), `${ours.peak} and ${child.truth.peak}`);
    assert.equal(ours.rss, ours.anon + ours.file + ours.shmem);
    assert.equal(ours.threads, child.truth.threads);
    assert.equal(ours.fds, child.truth.fds);
    assert.equal(gap, ours.rss - v8.heapPhysical);
    assert.ok(ours.rss > 64 * MIB);
  });
}

for (const name of JEMALLOCS) {
  test(`${name}: every total equals malloc_stats_print's`, async (t) => {
    const libraries = preload(t, name);
    if (libraries === null) return;
    const { printout, ours } = await runChild('truth.js', {
      preload: libraries,
      nodeArgs: ['--expose-gc'],
      args: [32],
    });
    const { stats, arenas } = printout.jemalloc;
    const merged = printout.jemalloc['stats.arenas'].merged;
    const expected = {
      allocated: stats.allocated,
      active: stats.active,
      metadata: stats.metadata,
      resident: stats.resident,
      mapped: stats.mapped,
      retained: stats.retained,
      dirty: merged.pdirty * arenas.page,
      muzzy: merged.pmuzzy * arenas.page,
      pinned: stats.active - stats.allocated,
      threadCaches: merged.tcache_bytes,
      arenas: arenas.narenas,
      backgroundThreads: stats.background_thread.num_threads,
    };
    for (const [figure, value] of Object.entries(expected)) {
      assert.equal(ours[figure], value, figure);
    }
    assert.ok(ours.allocated > 32 * MIB);
  });

  test(`${name}: stats() has every figure but glibc's`, async (t) => {
    const libraries = preload(t, name);
    if (libraries === null) return;
    const { after } = await runChild('truth.js', {
      preload: libraries,
      nodeArgs: ['--expose-gc'],
      args: [1],
    });
    const missing = Object.keys(after).filter((figure) => after[figure] === null);
    assert.deepEqual(missing, ['free']);
    assert.deepEqual(after.notes, [{ field: 'free', reason: 'jemalloc does not count this' }]);
  });
}

test('mimalloc: what it does not count, or counts wrong, is missing and says why', async (t) => {
  const libraries = preload(t, 'mimalloc');
  if (libraries === null) return;
  const { after, snapshot } = await runChild('truth.js', {
    preload: libraries,
    nodeArgs: ['--expose-gc'],
    args: [64],
  });
  assert.equal(after.allocator, 'mimalloc');
  const reasonOf = (figure) => after.notes.find(({ field }) => field === figure)?.reason;
  assert.equal(after.allocated, null);
  assert.equal(reasonOf('allocated'), 'mimalloc does not count this');
  if (snapshot.allocator.version.startsWith('2.0.')) {
    assert.equal(after.resident, null);
    assert.equal(after.ageMs, null);
    assert.equal(reasonOf('resident'), 'mimalloc before 2.1.2 miscounts what it has committed');
  } else {
    assert.ok(after.resident > 64 * MIB, `${after.resident}`);
  }
  assert.ok(snapshot.process.rss > MIB, 'the kernel is read all the same');
});

test('tcmalloc: totals are those that it prints itself', async (t) => {
  const libraries = preload(t, 'tcmalloc');
  if (libraries === null) return;
  const script = path.join(__dirname, 'children', 'tcmalloc-totals.js');
  const env = { LD_PRELOAD: libraries, MALLOCSTATS: '1' };
  const ended = await finished(process.execPath, ['--expose-gc', script], { env });
  const { stats } = JSON.parse(ended.stdout);
  const printed = (name) =>
    Number(new RegExp(`^MALLOC: [=+] +(\\d+) .*${name}`, 'm').exec(ended.stderr)[1]);
  // What the process allocates and frees to end does not move these by more.
  const near = (a, b, what) => assert.ok(Math.abs(a - b) < 2 * MIB, `${what}: ${a} and ${b}`);
  near(stats.resident, printed('Actual memory used'), 'resident');
  near(stats.retained, printed('Bytes released to OS'), 'retained');
  near(stats.metadata, printed('Bytes in malloc metadata'), 'metadata');
  near(stats.resident + stats.retained, printed('Virtual address space used'), 'address space');
  assert.ok(stats.retained > 60 * MIB, `${stats.retained} was given back`);
  assert.equal(stats.active, stats.allocated + stats.pinned);
  const parts = stats.metadata + stats.active + stats.dirty;
  assert.ok(Math.abs(stats.resident - parts) < MIB, `${stats.resident} and ${parts}`);
});

test('every figure that is null has a note, and no other', () => {
  const stats = heapgap.stats();
  const nulls = Object.keys(stats).filter((key) => stats[key] === null);
  assert.deepEqual(stats.notes.map(({ field }) => field).sort(), nulls.sort());
  const snapshot = heapgap.snapshot();
  const at = (path) => path.split('.').reduce((value, key) => value[key], snapshot);
  for (const { field, reason } of snapshot.notes) {
    assert.equal(at(field), null, field);
    assert.ok(reason.length > 0, field);
  }
  for (const section of ['process', 'allocator', 'cgroup']) {
    for (const [key, value] of Object.entries(snapshot[section])) {
      const noted = snapshot.notes.some(({ field }) => field === `${section}.${key}`);
      assert.equal(noted, value === null, `${section}.${key}`);
    }
  }
});

const partsAsNumbers = ({ parts }) =>
  Object.fromEntries(Object.entries(parts).map(([name, { bytes }]) => [name, bytes]));

/** Slots that are words to the reader: a number, and its word. */
const WORDS = {
  'governor.running': [1, true],
  'governor.level': [2, 'limit'],
  'governor.limitSource': [1, 'option'],
  'governor.tightened': [1, true],
};

test('lib/table.js has the order of src/api/table.rs', () => {
  const names = addon.snapshotSlots();
  const ordinals = Float64Array.from(names, (_, index) => index);
  const shaped = {
    allocator: table.allocatorOf({}, ordinals),
    process: table.processOf(ordinals),
    cgroup: table.cgroupOf(ordinals, 2, '/'),
    gap: table.gapOf(ordinals),
    ledger: partsAsNumbers(table.ledgerOf(0, ordinals, new Array(table.PARTS).fill({}))),
    governor: table.governorOf(ordinals, table.GOVERNOR),
  };
  const at = (path) => path.split('.').reduce((value, key) => value[key], shaped);
  for (const [index, name] of names.entries()) {
    if (name !== 'allocator.overdue' && !(name in WORDS)) assert.equal(at(name), index, name);
  }
  assert.equal(table.SLOTS, names.length);
  for (const [name, [number, word]] of Object.entries(WORDS)) {
    const slots = new Float64Array(names.length);
    slots[names.indexOf(name)] = number;
    assert.equal(table.governorOf(slots, table.GOVERNOR)[name.split('.')[1]], word, name);
  }
  const governor = addon.governorSlots().map((name) => `governor.${name}`);
  assert.deepEqual(governor, names.slice(table.GOVERNOR));
  const stats = addon.statsSlots().map((name) => `allocator.${name}`);
  assert.deepEqual(stats, names.slice(0, stats.length));
  assert.equal(stats[1], 'allocator.overdue');
  assert.equal(table.isOverdue(ordinals), true);
});

test('maxAgeMs lets a reading be reused', () => {
  heapgap.stats();
  const held = Buffer.allocUnsafeSlow(8 * MIB).fill(1);
  const reused = heapgap.stats({ maxAgeMs: 60_000 });
  const fresh = heapgap.stats();
  assert.ok(fresh.allocated - reused.allocated >= 7 * MIB);
  assert.ok(reused.ageMs > fresh.ageMs);
  assert.equal(held.length, 8 * MIB);
});

for (const mode of ['stats', 'route']) {
  test(`${mode}: where a refresh would be slow it is made in another thread`, async (t) => {
    const libraries = preload(t, 'jemalloc 5.3.1');
    if (libraries === null) return;
    const child = await runChild('overdue.js', {
      preload: libraries,
      env: { MALLOC_CONF: 'narenas:256', UV_THREADPOOL_SIZE: '64' },
      args: [mode],
    });
    assert.ok(child.arenas >= 256);
    assert.ok(child.ageMs > child.elapsed, 'figures from before the threads started');
    if (mode === 'stats') {
      // The child ends when a later reading is younger than this one.
      assert.ok(child.due > child.ageMs, 'a call that starts a refresh does not wait for it');
    } else {
      assert.ok(child.fresh < child.sinceAsked, `${child.fresh} of ${child.sinceAsked} ms`);
    }
  });
}

test('bad options are named', () => {
  const bad = [
    [{ maxAgeMs: '5s' }, TypeError, 'ERR_HEAPGAP_INVALID_ARG_TYPE'],
    [{ maxAgeMs: -1 }, RangeError, 'ERR_HEAPGAP_INVALID_ARG_VALUE'],
    [{ maxAgeMs: Number.NaN }, RangeError, 'ERR_HEAPGAP_INVALID_ARG_VALUE'],
    [{ maxAge: 1 }, TypeError, 'ERR_HEAPGAP_UNKNOWN_OPTION'],
    [null, TypeError, 'ERR_HEAPGAP_INVALID_ARG_TYPE'],
    [5, TypeError, 'ERR_HEAPGAP_INVALID_ARG_TYPE'],
  ];
  for (const [options, type, code] of bad) {
    for (const call of [heapgap.stats, heapgap.snapshot]) {
      assert.throws(
        () => call(options),
        (error) => error instanceof type && error.code === code && error.message.length > 20,
      );
    }
  }
  assert.throws(() => heapgap.stats({ maxAgeMs: '5s' }), {
    message: 'expected `maxAgeMs` to be a non-negative number, got string "5s"',
  });
});
