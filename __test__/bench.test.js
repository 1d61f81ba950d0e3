'use strict';
// The machinery of npm run bench, not the speed of anything.

const assert = require('node:assert/strict');
const { execFile, spawnSync } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const http = require('node:http');
const os = require('node:os');
const path = require('node:path');
const { after, before, describe, test } = require('node:test');
const { promisify } = require('node:util');

const { contenders } = require('../bench/contenders.js');
const { makeInputs } = require('../bench/services/inputs.js');
const { median, quantile } = require('../bench/statistics.js');
const { floorOf, p999Of } = require('../bench/table/plan.js');
const { run } = require('../bench/table/run.js');
const { WORKLOADS } = require('../bench/table/workloads.js');
const { makeCgroup } = require('./support/cgroup.js');

const root = path.join(__dirname, '..');
const BENCH = path.join(root, 'bench');
const LOAD = path.join(BENCH, 'table', 'load.js');
const MIB = 2 ** 20;

const bench = (...words) => spawnSync(process.execPath, [BENCH, ...words], { encoding: 'utf8' });

/** A folder that has what results are written into. */
function folder(t) {
  const out = fs.mkdtempSync(path.join(os.tmpdir(), 'heapgap-'));
  t.after(() => fs.rmSync(out, { recursive: true }));
  fs.mkdirSync(path.join(out, 'docs'));
  fs.copyFileSync(path.join(root, 'README.md'), path.join(out, 'README.md'));
  return out;
}

test('a run of everything but the cost, small', (t) => {
  if (makeCgroup(t, MIB * 512) === null) return;
  const out = folder(t);
  const { status, stderr } = bench('--smoke', '--sections', 'table,survival', '--out', out);
  assert.equal(status, 0, stderr);
  const results = JSON.parse(fs.readFileSync(path.join(out, 'docs', 'benchmarks.json'), 'utf8'));
  assert.deepEqual(
    results.workloads.map(({ name }) => name),
    WORKLOADS.map(({ name }) => name),
  );
  for (const { name, floor, p999Ms, runs } of results.workloads) {
    for (const mb of [floor.idleMb, floor.peakMb, floor.restMb])
      assert.ok(mb > 20 && mb < 512, name);
    assert.deepEqual(p999Ms, { glibc: null, 'run --govern': null }, 'too few requests');
    for (const [contender, [only]] of Object.entries(runs)) {
      const where = `${name} under ${contender}`;
      assert.equal(only.outcome, 'survived', `${where}: ${only.said}`);
      assert.equal(only.errors, 0, where);
      assert.ok(only.perSecond > 0 && only.p99Ms >= only.p50Ms && only.cpuSeconds > 0, where);
      const [, most] = only.series.reduce((a, b) => (b[1] > a[1] ? b : a));
      // Sampled, and the kernel's: either lags by up to 64 pages on each CPU (percpu_counter).
      assert.ok(
        only.peakMb >= most - 1 - os.availableParallelism() / 4,
        `${where}: ${only.peakMb} below ${most}`,
      );
      assert.ok(Number.isFinite(only.restCpuSeconds), where);
      assert.ok(Number.isFinite(only.restLoopDelayMs) && only.restLoopDelayMs < 10_000, where);
      assert.ok(only.gapMb.peak > 0 && only.gapMb.peak < only.peakMb, where);
    }
  }
  assert.deepEqual(Object.keys(results.survival[0].kills), ['glibc', 'run --govern']);
  const checked = bench('--check', '--out', out);
  assert.equal(checked.status, 0, checked.stderr);
  fs.appendFileSync(path.join(out, 'docs', 'benchmarks.md'), 'edited\n');
  const edited = bench('--check', '--out', out);
  assert.equal(edited.status, 1);
  assert.match(edited.stderr, /docs\/benchmarks\.md/);
});

test('what is asked for and unknown is named', () => {
  for (const [name, value, expected] of [
    ['workloads', 'gateway,nothing', /--workloads: expected some of pool, .*, got nothing/],
    ['contenders', 'hoard', /--contenders: expected some of glibc, .*, got hoard/],
    ['sections', '', /--sections: expected some of table, survival, cost, got /],
    ['rounds', '0', /--rounds: expected a whole number above 0, got 0/],
  ]) {
    const { status, stderr } = bench(`--${name}`, value);
    assert.equal(status, 1, name);
    assert.match(stderr, expected);
  }
});

describe('what runs come to', () => {
  const survived = (latenciesMs) => ({ outcome: 'survived', latenciesMs });
  const upTo = (count) => Array.from({ length: count }, (_, i) => count - i);

  test('p99.9 is of all rounds together, from 1,000 requests on', () => {
    assert.equal(p999Of([survived(upTo(500)), survived(upTo(500))]), 500);
    assert.equal(p999Of([survived(upTo(1000))]), 999);
    assert.equal(p999Of([survived(upTo(999))]), null);
    assert.equal(p999Of([survived(upTo(2000)), { outcome: 'killed' }]), null);
  });

  test('the floor is the least idle RSS, and what the counting run had live beyond its own start', () => {
    const counted = {
      outcome: 'survived',
      idleMb: 70,
      floor: { idle: 10 * MIB, peak: 110 * MIB, now: 30 * MIB },
    };
    const idle = (...all) => all.map((idleMb) => ({ outcome: 'survived', idleMb }));
    const others = [idle(60, 61, 62), idle(50, 55, 90), [{ outcome: 'killed' }]];
    assert.deepEqual(floorOf(counted, others), { idleMb: 55, peakMb: 155, restMb: 75 });
    assert.equal(floorOf(undefined, others), null);
    assert.equal(floorOf({ outcome: 'killed' }, others), null);
    assert.equal(floorOf(counted, []), null);
  });

  test('a quantile is the nearest rank', () => {
    assert.equal(quantile([3, 1, 2], 0.5), 2);
    assert.equal(quantile([3, 1, 2], 0.99), 3);
    assert.equal(quantile([], 0.5), null);
  });
});

describe('the load', () => {
  /** The median latency of 30 requests within 300 ms, of which `onRequest` hears. */
  async function loaded(t, { onRequest = () => {}, flags = [] }) {
    const server = http.createServer((_request, response) => {
      onRequest();
      response.end();
    });
    server.listen(0, '127.0.0.1');
    t.after(() => server.close());
    await once(server, 'listening');
    const bursts = JSON.stringify([{ perSecond: 100, seconds: 0.3, idleSeconds: 0 }]);
    const words = [...flags, LOAD, String(server.address().port), bursts];
    const { stdout } = await promisify(execFile)(process.execPath, words);
    const { errors, latenciesMs } = JSON.parse(stdout);
    assert.equal(errors, 0);
    assert.equal(latenciesMs.length, 30);
    return median(latenciesMs);
  }

  test('does not wait for earlier answers', async (t) => {
    let stalled = false;
    const onRequest = () => {
      if (!stalled) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 400);
      stalled = true;
    };
    const p50Ms = await loaded(t, { onRequest });
    // All 30 were due within 300 ms, and none was answered before 400.
    assert.ok(p50Ms >= 100, `${p50Ms} ms`);
  });

  test('latency counts from when a request was due, not from when it was sent', async (t) => {
    const stall = path.join(__dirname, 'children', 'stalled-load.js');
    const p50Ms = await loaded(t, { flags: ['--require', stall] });
    // The load was held up for 400 ms right after it began: nearly all were sent late.
    assert.ok(p50Ms >= 100, `${p50Ms} ms`);
  });
});

describe('one run', () => {
  let inputs;
  before(async () => {
    inputs = await makeInputs();
  });
  after(() => inputs.remove());

  const settings = (name, limitMb) => ({
    contender: contenders('glibc')[0],
    workload: { ...WORKLOADS.find((one) => one.name === name), words: inputs.words[name] },
    bursts: [{ perSecond: 10, seconds: 0.5, idleSeconds: 0 }],
    limitMb,
    restFactor: null,
  });

  test('that the kernel kills', async (t) => {
    if (makeCgroup(t, MIB * 512) === null) return;
    const { measured } = await run(settings('render', 100));
    const { outcome, peakMb } = await measured;
    assert.equal(outcome, 'killed');
    assert.ok(peakMb > 90 && peakMb <= 100, `${peakMb} MB`);
  });

  test('that the kernel kills under load keeps what was recorded', async (t) => {
    if (makeCgroup(t, MIB * 512) === null) return;
    const bursts = [{ perSecond: 45, seconds: 20, idleSeconds: 0 }];
    const { measured } = await run({ ...settings('pool', 150), bursts });
    const { outcome, series } = await measured;
    assert.equal(outcome, 'killed');
    assert.ok(series.length > 0 && series[0][1] > 50, JSON.stringify(series[0]));
  });

  test('that fails by itself says so', async (t) => {
    if (makeCgroup(t, MIB * 512) === null) return;
    const broken = settings('images', 512);
    broken.workload = { ...broken.workload, words: ['/nowhere'] };
    const { measured } = await run(broken);
    const { outcome, said } = await measured;
    assert.equal(outcome, 'exited with 1');
    assert.match(said, /ENOENT.*\/nowhere/);
  });
});
