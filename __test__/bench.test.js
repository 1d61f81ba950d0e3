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
  for (const { name, floor, runs } of results.workloads) {
    assert.ok(floor.peakMb.median >= floor.idleMb.median, name);
    for (const [contender, [only]] of Object.entries(runs)) {
      const where = `${name} under ${contender}`;
      assert.equal(only.outcome, 'survived', `${where}: ${only.said}`);
      assert.equal(only.errors, 0, where);
      assert.ok(only.perSecond > 0 && only.p99Ms >= only.p50Ms && only.cpuSeconds > 0, where);
      const [, most] = only.series.reduce((a, b) => (b[1] > a[1] ? b : a));
      // Sampled, and the kernel's.
      assert.ok(only.peakMb >= most - 1, `${where}: ${only.peakMb} below ${most}`);
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

test('latency counts from when a request was due, not from when it was sent', async (t) => {
  const server = http.createServer((_request, response) => {
    response.end();
  });
  let stalled = false;
  server.on('request', () => {
    if (stalled) return;
    stalled = true;
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 400);
  });
  server.listen(0, '127.0.0.1');
  t.after(() => server.close());
  await once(server, 'listening');
  const bursts = JSON.stringify([{ perSecond: 100, seconds: 0.3, idleSeconds: 0 }]);
  const words = [LOAD, String(server.address().port), bursts];
  const { stdout } = await promisify(execFile)(process.execPath, words);
  const { p50Ms, p999Ms, errors } = JSON.parse(stdout);
  assert.equal(errors, 0);
  // All 30 were due within 300 ms, and none was answered before 400.
  assert.ok(p50Ms >= 100, `${p50Ms} ms`);
  assert.equal(p999Ms, null, 'of 30 requests');
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
