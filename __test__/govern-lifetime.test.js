'use strict';
// A governor keeps no process alive, changes no ending, and leaves nothing behind.

const assert = require('node:assert/strict');
const path = require('node:path');
const { test } = require('node:test');
const { JEMALLOCS, preload } = require('./support/allocators.js');
const { finished, runChild } = require('./support/child.js');
const { MIB } = require('./support/govern.js');

const CHILD = path.join(__dirname, 'children', 'govern-lifetime.js');
const SOME = ['glibc', 'jemalloc 5.3.0', 'jemalloc 5.3.1'];

async function ended(libraries, ...args) {
  const { code, signal, stdout, stderr } = await finished(
    process.execPath,
    ['--expose-gc', CHILD, ...args],
    { env: { LD_PRELOAD: libraries }, timeout: 30_000 },
  );
  return { code, signal, stdout, told: /^Error: .*$/m.exec(stderr)?.[0] };
}

const ENDINGS = {
  end: { code: 0 },
  endUnderPressure: { code: 0 },
  forgotten: { code: 0 },
  stopAtExit: { code: 0 },
  exit: { code: 7 },
  throw: { code: 1 },
  reject: { code: 1 },
  abort: { signal: 'SIGABRT' },
  signal: { signal: 'SIGTERM' },
};
for (const name of SOME) {
  for (const [ending, { code = null, signal = null }] of Object.entries(ENDINGS)) {
    test(`${name}: a process ends as it would without a governor: ${ending}`, async (t) => {
      const libraries = preload(t, name);
      if (libraries === null) return;
      const [governed, plain] = await Promise.all([
        ended(libraries, ending),
        ended(libraries, ending, 'plain'),
      ]);
      assert.deepEqual(governed, plain);
      assert.deepEqual([governed.code, governed.signal], [code, signal]);
    });
  }

  test(`${name}: a thousand governors leave nothing behind`, async (t) => {
    const libraries = preload(t, name);
    if (libraries === null) return;
    const { before, after, warnings, state } = await runChild('govern-lifetime.js', {
      preload: libraries,
      nodeArgs: ['--expose-gc'],
      args: ['cycles', 1000],
    });
    assert.deepEqual(warnings, []);
    assert.ok(after.threads <= before.threads, `${before.threads} → ${after.threads}`);
    // A file of /proc or two is opened when first needed, and kept.
    assert.ok(after.fds <= before.fds + 4, `${before.fds} → ${after.fds}`);
    // A thread's stack, of which three pages at least are touched, is more than that each.
    assert.ok(after.rss - before.rss < 12 * MIB, `${before.rss} → ${after.rss}`);
    assert.ok(after.heap - before.heap < 2 * MIB, `${before.heap} → ${after.heap}`);
    assert.equal(state.running, false);
  });

  test(`${name}: a governor ends with the worker that started it, in the middle of purges too`, async (t) => {
    const libraries = preload(t, name);
    if (libraries === null) return;
    const rounds = await runChild('govern-lifetime.js', {
      preload: libraries,
      nodeArgs: ['--expose-gc'],
      args: ['workers', 4],
    });
    assert.equal(rounds.length, 4);
    for (const round of rounds) {
      assert.deepEqual(round, {
        running: true,
        refused: 'ERR_HEAPGAP_ALREADY_GOVERNED',
        after: false,
        mine: true,
      });
    }
  });
}

test("a worker sees the main thread's governor, cannot start another, and leaves it running", async () => {
  const { inWorker, running, later } = await runChild('govern-lifetime.js', { args: ['seen'] });
  assert.equal(inWorker.code, 'ERR_HEAPGAP_ALREADY_GOVERNED');
  assert.equal(inWorker.governor.running, true);
  assert.equal(inWorker.governor.limit, 2 ** 40);
  assert.equal(inWorker.governor.limitSource, 'option');
  assert.equal(running, true);
  assert.equal(later.running, true);
});

for (const name of JEMALLOCS) {
  test(`${name}: processes that a governed one starts have the settings that they were given`, async (t) => {
    const libraries = preload(t, name);
    if (libraries === null) return;
    const { forked, spawned, mine } = await runChild('govern-lifetime.js', {
      preload: libraries,
      nodeArgs: ['--expose-gc'],
      env: { MALLOC_CONF: 'dirty_decay_ms:4321' },
      args: ['children'],
    });
    assert.ok(mine.includes(100) && mine.every((ms) => ms <= 100), JSON.stringify(mine));
    for (const child of [forked, spawned]) {
      assert.ok(child.decay.length > 0 && child.decay.every((ms) => ms === 4321));
      assert.deepEqual([child.governor, child.threads], [null, 0]);
    }
  });
}
