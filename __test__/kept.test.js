'use strict';
// Why a purge did not free more, each reason made real. Those that take a kernel or a second purger to
// make are in src/control/purge/kept.rs.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { JEMALLOCS, preload } = require('./support/allocators.js');
const { runChild } = require('./support/child.js');

const MIB = 1024 * 1024;
const GC = ['--expose-gc'];

const find = (report, code) => report.kept.find((kept) => kept.code === code);

/** They come the largest first, and none is trifling. */
function check({ kept, rssAfter }) {
  for (const [index, { code, bytes, summary }] of kept.entries()) {
    assert.ok(index === 0 || bytes <= kept[index - 1].bytes, code);
    assert.ok(code === 'nothing-to-purge' || bytes >= Math.max(MIB, 0.04 * rssAfter), code);
    assert.match(summary, /\d MB/);
  }
}

for (const name of JEMALLOCS) {
  test(`${name}: one Buffer in four pins the slabs of all, and its class is named`, async (t) => {
    const libraries = preload(t, name);
    if (libraries === null) return;
    const { report } = await runChild('purge.js', {
      preload: libraries,
      nodeArgs: GC,
      args: [128, 1200, 4],
    });
    check(report);
    const { bytes, summary } = find(report, 'pinned-fragmentation');
    assert.ok(bytes > 80 * MIB && bytes <= report.stats.after.pinned, `${bytes}`);
    assert.match(summary, /which no purge can return: \d+\.\d MB in objects of 1280 bytes/);
    assert.ok(bytes > find(report, 'native-live').bytes, 'less is live than pinned');
    assert.equal(
      find(report, 'nothing-to-purge') !== undefined,
      report.released < 0.05 * report.rssAfter,
    );
  });

  test(`${name}: pages that waited for the purge, because decay is off`, async (t) => {
    const libraries = preload(t, name);
    if (libraries === null) return;
    const run = (conf) =>
      runChild('purge.js', {
        preload: libraries,
        env: { MALLOC_CONF: conf },
        nodeArgs: GC,
        args: [384, 64 * 1024, 1000],
      });
    const { report } = await run('dirty_decay_ms:-1');
    check(report);
    const { bytes, summary } = find(report, 'decay-not-running');
    assert.ok(bytes > 300 * MIB && bytes <= report.stats.before.dirty, `${bytes}`);
    assert.match(summary, /where dirty_decay_ms is -1: jemalloc returns none by itself/);
    const on = await run('dirty_decay_ms:600000');
    assert.equal(find(on.report, 'decay-not-running'), undefined);
  });
}

// 5.3.1 keeps nothing above 32 KiB in a thread's cache, whatever it is told.
test("jemalloc: what the pool's threads keep for themselves", async (t) => {
  const libraries = preload(t, 'jemalloc 5.3.0');
  if (libraries === null) return;
  const report = await runChild('thread-caches.js', {
    preload: libraries,
    env: { UV_THREADPOOL_SIZE: '32', MALLOC_CONF: 'tcache_max:4194304' },
  });
  check(report);
  const kept = find(report, 'thread-caches');
  assert.ok(kept.bytes > 16 * MIB, `${kept.bytes}`);
  assert.ok(kept.bytes <= report.stats.after.threadCaches);
});

for (const name of ['tcmalloc', ...JEMALLOCS]) {
  test(`${name}: nothing was freed since the last purge`, async (t) => {
    const libraries = preload(t, name);
    if (libraries === null) return;
    const report = await runChild('twice.js', { preload: libraries });
    check(report);
    const kept = report.kept.map(({ code }) => code).filter((code) => code !== 'native-live');
    assert.deepEqual(kept, ['nothing-to-purge']);
    assert.equal(report.notes.length, 0);
  });
}

for (const name of ['glibc', 'tcmalloc', ...JEMALLOCS]) {
  test(`${name}: what is live after all`, async (t) => {
    const libraries = preload(t, name);
    if (libraries === null) return;
    // One of one is kept: nothing is dropped.
    const { report } = await runChild('purge.js', {
      preload: libraries,
      nodeArgs: GC,
      args: [128, 64 * 1024, 1],
    });
    check(report);
    assert.equal(report.kept[0].code, 'native-live');
    const { bytes } = report.kept[0];
    assert.ok(bytes > 120 * MIB && bytes < 150 * MIB, `${bytes / MIB} MiB`);
  });
}

test('glibc: what cannot be known is not guessed at', async (t) => {
  const libraries = preload(t, 'glibc');
  if (libraries === null) return;
  const { report } = await runChild('purge.js', { nodeArgs: GC, args: [128, 1200, 4] });
  assert.ok(report.stats.after.free > 60 * MIB, 'much is free in chunks, resident or not');
  assert.deepEqual(
    report.kept.map(({ code }) => code),
    ['native-live'],
  );
  const { reason } = report.notes.find(({ field }) => field === 'kept');
  assert.match(reason, /glibc does not tell how much/);
});
