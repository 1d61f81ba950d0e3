'use strict';

const assert = require('node:assert/strict');
const { test } = require('node:test');

const { profiler } = require('..');
const { JEMALLOCS, preload } = require('./support/allocators.js');
const { runChild } = require('./support/child.js');
const { NAMED } = require('./support/profiled.js');

for (const name of JEMALLOCS) {
  test(`${name}: nothing faults, whatever runs while it profiles`, async (t) => {
    const libraries = preload(t, name);
    if (libraries === null) return;
    const { rounds, threads, profiles } = await runChild('profiler-load.js', {
      preload: libraries,
      env: {
        MALLOC_CONF: 'prof:true,prof_active:false',
        NODE_OPTIONS: '--interpreted-frames-native-stack',
      },
      args: [5],
    });
    assert.ok(rounds > 0 && threads > 0 && profiles > 0, `${rounds}, ${threads}, ${profiles}`);
  });
}

for (const name of JEMALLOCS) {
  test(`${name}: after a reset only what comes is shown, and the rate stays`, async (t) => {
    const libraries = preload(t, name);
    if (libraries === null) return;
    const { first, before, after, again, unchanged } = await runChild('profiler-reset.js', {
      preload: libraries,
      env: { MALLOC_CONF: 'prof:true,prof_active:false,prof_unbias:false', ...NAMED.env },
      nodeArgs: NAMED.nodeArgs,
    });
    assert.deepEqual(first, { active: true, sampleBytes: 16_384, notes: [] });
    const isAll = (bytes) => bytes > 18_000_000 && bytes < 24_000_000;
    assert.ok(isAll(before[0]) && before[1] === 0, `${before}`);
    assert.ok(after[0] === 0 && isAll(after[1]), `${after}`);
    assert.equal(again.sampleBytes, 16_384);
    assert.deepEqual(
      again.notes.map(({ field }) => field),
      ['sampleBytes'],
    );
    assert.deepEqual(unchanged, after);
  });
}

test('without jemalloc there is none, and every call says why', async () => {
  assert.equal(profiler.available, false);
  assert.match(profiler.why, /jemalloc/);
  assert.equal(profiler.active, false);
  assert.equal(profiler.sampleBytes, null);
  for (const name of ['start', 'stop', 'reset', 'dump', 'profile']) {
    await assert.rejects(profiler[name](), {
      code: 'ERR_HEAPGAP_PROFILER_UNAVAILABLE',
      message: profiler.why,
    });
  }
});

test('a bad option is named, with what was expected and what came', async () => {
  await assert.rejects(profiler.start({ sampleBytes: '5' }), {
    code: 'ERR_HEAPGAP_INVALID_ARG_TYPE',
    message: 'expected `sampleBytes` to be a number from 1024 to 1073741824, got string "5"',
  });
  await assert.rejects(profiler.dump({ format: 'svg' }), { code: 'ERR_HEAPGAP_INVALID_ARG_VALUE' });
  await assert.rejects(profiler.profile({ format: 'jeheap' }), {
    code: 'ERR_HEAPGAP_INVALID_ARG_VALUE',
  });
});
