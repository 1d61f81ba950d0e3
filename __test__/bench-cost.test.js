'use strict';
// What `npm run bench:cost` measures has the shape of bench/page/results.d.ts, and is about what was asked for. Not
// how quick it is.

const assert = require('node:assert/strict');
const { spawnSync } = require('node:child_process');
const { test } = require('node:test');

const { measureCost } = require('../bench/cost/index.js');
const { cleanUp } = require('../bench/process.js');
const { makeCgroup } = require('./support/cgroup.js');
const { lacks } = require('./support/faulty.js');

const MIB = 2 ** 20;

const CALLS = [
  'stats()',
  'snapshot()',
  'process.memoryUsage()',
  'process.memoryUsage.rss()',
  'v8.getHeapStatistics()',
  '@datadog/native-metrics stats()',
  'inspect()',
  'a scrape',
  'a scrape, findings: false',
  'pidusage(process.pid)',
];
const ANSWER_LATER = CALLS.slice(CALLS.indexOf('inspect()'));

function assertSpread(spread, what) {
  assert.deepEqual(Object.keys(spread), ['median', 'min', 'max'], what);
  const { median, min, max } = spread;
  for (const value of [median, min, max]) {
    assert.ok(Number.isFinite(value) && value > 0, `${what}: ${JSON.stringify(spread)}`);
  }
  assert.ok(min <= median && median <= max, `${what}: ${JSON.stringify(spread)}`);
}

function assertSpreads(object, names, what) {
  for (const name of names) assertSpread(object[name], `${what}: ${name}`);
}

/** Within a tenth. */
const assertNear = (value, expected, what) =>
  assert.ok(Math.abs(value - expected) <= expected / 10, `${what}: ${value}, not ${expected}`);

function assertCalls(calls) {
  const of = (wanted) => calls.filter(({ allocator }) => allocator === wanted);
  for (const allocator of ['jemalloc', 'glibc']) {
    assert.deepEqual(
      of(allocator)
        .map(({ name }) => name)
        .sort(),
      [...CALLS].sort(),
    );
  }
  for (const { name, us, loopUs } of calls) {
    assertSpread(us, name);
    if (ANSWER_LATER.includes(name)) assertSpread(loopUs, `${name}: hold`);
    else assert.equal(loopUs, null, name);
  }
}

const POINT = [
  'statsUs',
  'statsAgeMs',
  'snapshotUs',
  'inspectMs',
  'inspectLoopMs',
  'memoryUsageUs',
];

function assertGrowth(growth) {
  assert.deepEqual(
    growth.map(({ over }) => over),
    ['arenas', 'threads', 'mappings', 'heap'],
  );
  for (const { over, unit, points } of growth) {
    assert.ok(unit.includes(over));
    assert.ok(points.length >= 2, over);
    for (const [index, point] of points.entries()) {
      assertSpreads(point, POINT, `${point.at} ${over}`);
      assert.ok(index === 0 || point.at > points[index - 1].at);
      assert.ok(point.inspectLoopMs.median <= point.inspectMs.max);
    }
  }
}

function assertPurge(purge, sizesMb) {
  assert.equal(purge.length, sizesMb.length);
  for (const [index, figures] of purge.entries()) {
    const names = ['dirtyMb', 'durationMs', 'releasedMb', 'loopMs', 'idleLoopMs'];
    assertSpreads(figures, names, `purge of ${sizesMb[index]} MB`);
    assertNear(figures.dirtyMb.median, sizesMb[index], 'dirtyMb');
    assertNear(figures.releasedMb.median, sizesMb[index], 'releasedMb');
  }
}

function assertService(service) {
  const { windows, windowSeconds, perSecond, cpuMsPerRequest, ...ratios } = service;
  assert.equal(windows % 4, 0);
  assert.ok(windowSeconds >= 1);
  assertSpreads(perSecond, ['off', 'on'], 'requests a second');
  assertSpreads(cpuMsPerRequest, ['off', 'on'], 'CPU per request');
  assert.deepEqual(Object.keys(ratios), ['throughputRatio', 'cpuRatio', 'noiseRatio']);
  for (const [name, ratio] of Object.entries(ratios)) assertSpread(ratio, name);
  // More is a slip of units: each is of the same service.
  for (const { median } of Object.values(ratios)) assert.ok(median > 0.2 && median < 5);
}

test('all sections, quickly', async (t) => {
  if (spawnSync('cargo', ['--version']).error) return lacks(t, 'cargo');
  if (!makeCgroup(t, 512 * MIB)) return;
  t.after(cleanUp);
  const said = [];
  const cost = await measureCost({ quick: true, say: (text) => said.push(text) });
  assert.deepEqual(Object.keys(cost), ['calls', 'growth', 'purge', 'service']);
  assertCalls(cost.calls);
  assertGrowth(cost.growth);
  assertPurge(cost.purge, [256, 1024]);
  assertService(cost.service);
  assert.ok(said.every((text) => typeof text === 'string' && !text.startsWith('left out')));
  assert.ok(said.length > 5);
});

test('sections that nobody asked for are left out, and one that there is not is refused', async () => {
  const say = assert.fail;
  assert.deepEqual(await measureCost({ only: [], say }), {
    calls: [],
    growth: [],
    purge: [],
    service: null,
  });
  await assert.rejects(measureCost({ only: ['calls', 'speed'], say }), /no section speed/);
});
