'use strict';
// What makes the governor act, with a limit of its own: RSS. Real groups are in govern-cgroup.test.js.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { JEMALLOCS, LIBRARIES, preload } = require('./support/allocators.js');
const { runChild } = require('./support/child.js');
const { MIB, assertCounted } = require('./support/govern.js');

const COUNTING = [...JEMALLOCS, 'tcmalloc'];
/** So that nobody but the governor gives freed pages back. */
const KEEP = { MALLOC_CONF: 'dirty_decay_ms:-1', TCMALLOC_RELEASE_RATE: '0' };

function run(t, name, script, args, nodeArgs = ['--expose-gc']) {
  const libraries = preload(t, name);
  if (libraries === null) return null;
  return runChild(script, { preload: libraries, env: KEEP, nodeArgs, args });
}

for (const name of COUNTING) {
  test(`${name}: freed pages above the dirty mark are purged, without pressure`, async (t) => {
    const seen = await run(t, name, 'govern-marks.js', ['dirty']);
    if (seen === null) return;
    assertCounted(seen);
    const [purge] = seen.heard;
    assert.deepEqual([purge.event, purge.reason], ['purge', 'dirty']);
    assert.ok(purge.released > 250 * MIB, `${purge.released}`);
    assert.ok(seen.full - seen.rss > 250 * MIB, `${seen.full} → ${seen.rss}`);
    assert.equal(seen.state.flips, 0);
  });
}

for (const name of Object.keys(LIBRARIES)) {
  test(`${name}: freed pages are purged every so often`, async (t) => {
    const seen = await run(t, name, 'govern-marks.js', ['periodic']);
    if (seen === null) return;
    assertCounted(seen);
    const reasons = new Set(seen.heard.map(({ event, reason }) => `${event} ${reason}`));
    assert.deepEqual([...reasons], ['purge periodic']);
    // mimalloc's threads keep pages of their own.
    assert.ok(seen.full - seen.rss > 100 * MIB, `${seen.full} → ${seen.rss}`);
  });

  test(`${name}: the level is limit while what is live is above the mark`, async (t) => {
    const seen = await run(t, name, 'govern-marks.js', ['limit', 0]);
    if (seen === null) return;
    assertCounted(seen);
    const order = seen.heard.map(({ event }) => event).filter((event) => event !== 'purge');
    assert.deepEqual(order, ['pressure', 'limit', 'calm']);
    assert.equal(seen.atLimit.level, 'limit');
    assert.equal(seen.atLimit.limitSource, 'option');
    assert.equal(seen.atLimit.limit, seen.option);
    assert.ok(seen.atLimit.usage >= 0.9 * seen.option, `${seen.atLimit.usage} of ${seen.option}`);
    const { limit, usage } = seen.heard.find(({ event }) => event === 'limit');
    assert.equal(limit, seen.option);
    assert.ok(usage >= 0.9 * limit, `${usage} of ${limit}`);
    assert.ok(seen.heard.at(-1).durationMs > 0);
    assert.equal(seen.state.level, 'calm');
  });

  test(`${name}: with gc, Buffers that nothing refers to are freed under pressure`, async (t) => {
    const seen = await run(t, name, 'govern-gc.js', [true], []);
    if (seen === null) return;
    assert.ok(seen.held >= 192 * MIB && seen.left < 64 * MIB, `${seen.held} → ${seen.left}`);
    assert.ok(seen.state.collections > 0);
    assert.equal(seen.globalGc, 'undefined');
  });
}

test('jemalloc 5.3.1: without gc, Buffers are left to V8', async (t) => {
  const seen = await run(t, 'jemalloc 5.3.1', 'govern-gc.js', [false], []);
  if (seen === null) return;
  assert.ok(seen.left >= 0.9 * seen.held, `${seen.held} → ${seen.left}`);
  assert.equal(seen.state.collections, 0);
  assert.notEqual(seen.state.level, 'calm');
});

test('jemalloc 5.3.1: far from every mark nothing is purged', async (t) => {
  const seen = await run(t, 'jemalloc 5.3.1', 'govern-marks.js', ['never']);
  if (seen === null) return;
  assertCounted(seen);
  assert.deepEqual(seen.heard, []);
  assert.ok(seen.state.dirty > 250 * MIB, `${seen.state.dirty}`);
});
