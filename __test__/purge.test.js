'use strict';

const assert = require('node:assert/strict');
const path = require('node:path');
const { test } = require('node:test');
const { JEMALLOCS, preload } = require('./support/allocators.js');
const { finished, runChild } = require('./support/child.js');

const MIB = 1024 * 1024;
const GC = ['--expose-gc'];

for (const name of JEMALLOCS) {
  test(`${name}: RSS falls by at least 90 % of what was foretold`, async (t) => {
    const libraries = preload(t, name);
    if (libraries === null) return;
    const child = await runChild('purge.js', {
      preload: libraries,
      // Dirty pages stay until they are purged, so that nothing but purge() can return them.
      env: { MALLOC_CONF: 'dirty_decay_ms:-1' },
      nodeArgs: GC,
      args: [384, 64 * 1024, 1000],
    });
    const { report, foretold } = child;
    assert.equal(report.method, 'arena.4096.purge');
    assert.ok(report.purgeable > 300 * MIB, `${report.purgeable / MIB} MiB were foretold`);
    assert.ok(report.purgeable <= foretold.dirty + foretold.muzzy + 16 * MIB);
    const fell = child.before - child.after;
    assert.ok(fell >= 0.9 * report.purgeable, `fell by ${fell} of ${report.purgeable}`);
    assert.ok(report.released >= 0.9 * report.purgeable, `reported ${report.released}`);
    assert.ok(Math.abs(report.released - fell) < 16 * MIB, `${report.released} and ${fell}`);
    assert.equal(report.released, report.rssBefore - report.rssAfter);
    assert.ok(report.stats.after.dirty < 0.1 * report.stats.before.dirty);
    assert.ok(report.durationMs > 0 && report.attempts >= 1);
    assert.equal(child.shared, true, 'concurrent calls share one run');
  });

  test(`${name}: the cache of the thread that asks is flushed first`, async (t) => {
    const libraries = preload(t, name);
    if (libraries === null) return;
    const { foretold, report } = await runChild('purge.js', {
      preload: libraries,
      nodeArgs: GC,
      args: [8, 64 * 1024, 1000],
    });
    // Unflushed it would have grown: reading, too, frees what it allocates.
    const [before, after] = [foretold.threadCaches, report.stats.before.threadCaches];
    assert.ok(after < before, `${before} → ${after}`);
  });

  test(`${name}: with background threads purging too`, async (t) => {
    const libraries = preload(t, name);
    if (libraries === null) return;
    const child = await runChild('purge.js', {
      preload: libraries,
      env: { MALLOC_CONF: 'background_thread:true,dirty_decay_ms:200,muzzy_decay_ms:200' },
      nodeArgs: GC,
      args: [384, 64 * 1024, 1000],
    });
    assert.ok(child.report.stats.after.dirty < 32 * MIB, `${child.report.stats.after.dirty}`);
    assert.ok(child.after < 200 * MIB, `${child.after / MIB} MiB remain`);
  });
}

test('glibc: malloc_trim makes RSS fall, and fordblks is not called reclaimable', async (t) => {
  const libraries = preload(t, 'glibc');
  if (libraries === null) return;
  const child = await runChild('purge.js', { nodeArgs: GC, args: [384, 64 * 1024, 1000] });
  const { report } = child;
  assert.equal(report.method, 'malloc_trim');
  assert.ok(
    child.before - child.after > 200 * MIB,
    `fell by ${(child.before - child.after) / MIB} MiB`,
  );
  assert.ok(report.released > 200 * MIB, `reported ${report.released / MIB} MiB`);
  assert.equal(report.purgeable, null);
  assert.ok(report.notes.some(({ field }) => field === 'purgeable'));
  // The trap: it stays as high as it was, with nothing behind it.
  assert.ok(report.stats.after.free > 200 * MIB, `${report.stats.after.free / MIB} MiB`);
});

test('tcmalloc: RSS falls by at least 90 % of what was foretold', async (t) => {
  const libraries = preload(t, 'tcmalloc');
  if (libraries === null) return;
  const { report, before, after, foretold } = await runChild('purge.js', {
    preload: libraries,
    nodeArgs: GC,
    args: [384, 64 * 1024, 1000],
  });
  assert.equal(report.method, 'MallocExtension_ReleaseToSystem');
  assert.ok(report.purgeable > 300 * MIB, `${report.purgeable / MIB} MiB were foretold`);
  assert.ok(report.purgeable <= foretold.dirty + 16 * MIB);
  assert.ok(before - after >= 0.9 * report.purgeable, `fell by ${before - after}`);
  assert.ok(report.stats.after.dirty < 0.1 * report.stats.before.dirty);
  assert.ok(report.stats.after.retained - report.stats.before.retained > 300 * MIB);
});

test('mimalloc: what a worker thread left is given back', async (t) => {
  const libraries = preload(t, 'mimalloc');
  if (libraries === null) return;
  const report = await runChild('worker-left.js', { preload: libraries, args: [300] });
  assert.equal(report.method, 'mi_collect');
  assert.ok(report.released > 200 * MIB, `reported ${report.released / MIB} MiB`);
  assert.equal(report.released, report.rssBefore - report.rssAfter);
  assert.equal(report.purgeable, null);
});

test('mimalloc: what the JavaScript thread owns is not promised', async (t) => {
  const libraries = preload(t, 'mimalloc');
  if (libraries === null) return;
  const { report } = await runChild('purge.js', {
    preload: libraries,
    nodeArgs: GC,
    args: [384, 64 * 1024, 1000],
  });
  assert.equal(report.method, 'mi_collect');
  assert.ok(report.released > -16 * MIB, `reported ${report.released}`);
  const { reason } = report.notes.find(({ field }) => field === 'kept');
  assert.match(reason, /what a running thread has freed, that thread gives back itself/);
});

test('the event loop turns during a purge, and the next purge is another one', async (t) => {
  const libraries = preload(t, 'jemalloc 5.3.1');
  if (libraries === null) return;
  const { first, second, same } = await runChild('event-loop.js', {
    preload: libraries,
    env: { MALLOC_CONF: 'dirty_decay_ms:-1' },
    nodeArgs: GC,
    args: [512],
  });
  assert.equal(same, false);
  for (const { report, turns } of [first, second]) {
    assert.ok(report.purgeable > 400 * MIB, `${report.purgeable / MIB} MiB were foretold`);
    assert.ok(report.released >= 0.9 * report.purgeable, `reported ${report.released}`);
    assert.ok(turns >= 20, `the event loop turned ${turns} times`);
  }
  // Twice, because a machine may run the purge's thread before it lets the call return.
  const early = [first, second].map(({ released, report }) => released / report.released);
  assert.ok(Math.min(...early) < 0.5, `${early} of it was released when the call returned`);
});

test('glibc: the figures around a purge are fresh where counting is slow', async (t) => {
  const libraries = preload(t, 'glibc');
  if (libraries === null) return;
  const { slow, stale, report, held } = await runChild('fragmented.js', { nodeArgs: GC });
  const bytes = held * 1200;
  assert.ok(slow !== null && slow.allocated > bytes, 'synchronous figures are old by now');
  assert.equal(stale.allocated, slow.allocated);
  const { before, after } = report.stats;
  for (const { allocated } of [before, after]) {
    assert.ok(allocated < 0.5 * bytes, `${allocated} of ${bytes} are still allocated`);
  }
  assert.ok(after.ageMs < before.ageMs, `read ${before.ageMs} and ${after.ageMs} ms ago`);
});

test('where no thread can be started, purge() rejects and nothing hangs', async (t) => {
  if (process.getuid() !== 0) {
    if (process.env.CI) throw new Error('needs root, to become a user whom RLIMIT_NPROC binds');
    t.skip('needs root');
    return;
  }
  const script = path.join(__dirname, 'children', 'threadless.js');
  const ended = await finished('prlimit', ['--nproc=1', process.execPath, script]);
  assert.equal(ended.code, 0, ended.stderr);
  const { outcome, allocated } = JSON.parse(ended.stdout);
  assert.equal(outcome.code, 'ERR_HEAPGAP_THREAD');
  assert.match(outcome.message, /could not start a thread/);
  assert.ok(allocated > 0, 'reading goes on');
});
