'use strict';
// heapgap/prometheus with the real prom-client: names, figures, and what is missing.

const assert = require('node:assert/strict');
const { spawnSync } = require('node:child_process');
const { once } = require('node:events');
const http = require('node:http');
const { describe, it } = require('node:test');
const v8 = require('node:v8');
const client = require('prom-client');
const heapgap = require('heapgap');
const { collectMetrics, makeRegistry } = require('heapgap/prometheus');
const { recentDiagnosis } = require('../lib/own-diagnosis.js');
const { lacks } = require('./support/faulty.js');
const { runChild } = require('./support/child.js');

const MIB = 2 ** 20;

/** Samples by their names and labels, as the text has them. */
async function samplesOf(register) {
  const lines = (await register.metrics()).split('\n');
  const samples = lines.filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    samples.map((line) => {
      const at = line.lastIndexOf(' ');
      return [line.slice(0, at), Number(line.slice(at + 1))];
    }),
  );
}

/** Where snapshot() has what a metric is of. */
const PLACES = {
  heapgap_allocator_allocated_bytes: ({ allocator }) => allocator.allocated,
  heapgap_allocator_active_bytes: ({ allocator }) => allocator.active,
  heapgap_allocator_dirty_bytes: ({ allocator }) => allocator.dirty,
  heapgap_allocator_muzzy_bytes: ({ allocator }) => allocator.muzzy,
  heapgap_allocator_metadata_bytes: ({ allocator }) => allocator.metadata,
  heapgap_allocator_resident_bytes: ({ allocator }) => allocator.resident,
  heapgap_allocator_mapped_bytes: ({ allocator }) => allocator.mapped,
  heapgap_allocator_retained_bytes: ({ allocator }) => allocator.retained,
  heapgap_allocator_pinned_bytes: ({ allocator }) => allocator.pinned,
  heapgap_allocator_thread_caches_bytes: ({ allocator }) => allocator.threadCaches,
  heapgap_allocator_free_bytes: ({ allocator }) => allocator.free,
  heapgap_allocator_arenas: ({ allocator }) => allocator.arenas,
  heapgap_allocator_background_threads: ({ allocator }) => allocator.backgroundThreads,
  heapgap_process_resident_memory_bytes: ({ process: { rss } }) => rss,
  heapgap_process_threads: ({ process: { threads } }) => threads,
  heapgap_process_open_fds: ({ process: { fds } }) => fds,
  heapgap_v8_heap_used_bytes: ({ v8: { heapUsed } }) => heapUsed,
  heapgap_v8_array_buffers_bytes: ({ v8: { arrayBuffers } }) => arrayBuffers,
  heapgap_cgroup_memory_limit_bytes: ({ cgroup }) => cgroup.limit,
  heapgap_cgroup_memory_high_bytes: ({ cgroup }) => cgroup.high,
  heapgap_cgroup_memory_usage_bytes: ({ cgroup }) => cgroup.usage,
  heapgap_cgroup_oom_kills_total: ({ cgroup }) => cgroup.oomKills,
  heapgap_gap_bytes: ({ gap }) => gap,
  heapgap_governor_limit_bytes: ({ governor }) => governor?.limit ?? null,
  heapgap_governor_purges_total: ({ governor }) => governor?.purges ?? null,
};

describe('collectMetrics()', () => {
  it('has what snapshot() has, and no sample of what that is missing', async () => {
    const samples = await samplesOf(makeRegistry());
    const snapshot = heapgap.snapshot();
    for (const [name, of] of Object.entries(PLACES)) {
      const value = of(snapshot);
      assert.equal(samples.has(name), value !== null, `${name}: ${value}`);
      if (value === null) continue;
      // Both are of a living process.
      const apart = name.endsWith('_bytes') ? 8 * MIB + value / 10 : 3;
      const near = Math.abs(samples.get(name) - value) <= apart;
      assert.ok(near, `${name}: ${samples.get(name)}, and ${value} in snapshot()`);
    }
    assert.equal(
      samples.get('heapgap_v8_heap_limit_bytes'),
      v8.getHeapStatistics().heap_size_limit,
    );
    assert.equal(samples.get('heapgap_governor_running'), 0);
    const { name, version } = heapgap.allocator();
    assert.equal(
      samples.get(`heapgap_allocator_info{name="${name}",version="${version ?? ''}"}`),
      1,
    );
  });

  it('has the ledger, whose parts sum to RSS', async () => {
    const samples = await samplesOf(makeRegistry());
    const parts = [...samples].filter(([name]) => name.startsWith('heapgap_ledger_bytes{part="'));
    const names = parts.map(([name]) => /"(.*)"/.exec(name)[1]);
    const known = Object.entries(heapgap.snapshot().ledger.parts).filter(
      ([, { bytes }]) => bytes !== null,
    );
    assert.deepEqual(
      names.map((name) => name.replaceAll('_', '')),
      known.map(([name]) => name.toLowerCase()),
    );
    assert.ok(names.includes('v8_heap'));
    const sum = parts.reduce((total, [, bytes]) => total + bytes, 0);
    assert.equal(sum, samples.get('heapgap_process_resident_memory_bytes'));
  });

  it('has what diagnose() finds', async () => {
    const { verdict, findings } = await recentDiagnosis();
    // No other is made within the next seconds.
    const samples = await samplesOf(makeRegistry());
    assert.equal(samples.get(`heapgap_verdict_info{verdict="${verdict}"}`), 1);
    for (const { code, severity, bytes } of findings) {
      assert.equal(samples.get(`heapgap_finding_info{code="${code}",severity="${severity}"}`), 1);
      assert.equal(samples.has(`heapgap_finding_bytes{code="${code}"}`), bytes !== null);
    }
  });

  it('counts purges', async () => {
    const register = makeRegistry();
    const before = await samplesOf(register);
    const { released } = await heapgap.purge();
    const after = await samplesOf(register);
    const grew = (name) => after.get(name) - before.get(name);
    assert.equal(grew('heapgap_purges_total'), 1);
    assert.equal(grew('heapgap_purge_released_bytes_total'), Math.max(0, released));
  });

  it('reads for each scrape anew', async () => {
    const register = new client.Registry();
    collectMetrics({ register, findings: false });
    const first = await samplesOf(register);
    const held = Buffer.alloc(64 * MIB, 1);
    const second = await samplesOf(register);
    const grew = (name) => second.get(name) - first.get(name);
    // What an earlier test has left may be collected meanwhile.
    assert.ok(grew('heapgap_v8_array_buffers_bytes') >= held.length * 0.8);
    assert.ok(grew('heapgap_process_resident_memory_bytes') >= held.length / 2);
  });

  it('takes a registry, a prefix, and leaves findings out', async () => {
    const [one, other] = [new client.Registry(), new client.Registry()];
    collectMetrics({ register: one, prefix: 'my_app_', findings: false });
    collectMetrics({ register: other });
    const names = async (register) => (await register.getMetricsAsJSON()).map(({ name }) => name);
    const [ours, theirs] = [await names(one), await names(other)];
    assert.ok(ours.every((name) => name.startsWith('my_app_') && !/finding|verdict/.test(name)));
    assert.ok(theirs.includes('heapgap_finding_info') && theirs.includes('heapgap_verdict_info'));
    assert.equal(client.register.getMetricsAsArray().length, 0);
    assert.throws(() => collectMetrics({ register: one, prefix: 'my_app_' }), /already/);
    collectMetrics();
    assert.ok(client.register.getSingleMetric('heapgap_gap_bytes'));
    client.register.clear();
  });

  it('names an option that is wrong', () => {
    for (const [options, message] of [
      [{ register: {} }, /expected `register` to be a Registry of prom-client, got object/],
      [{ prefix: '1_' }, /expected `prefix` to be a string that a metric’s name can begin with/],
      [{ findings: 1 }, /expected `findings` to be a boolean, got number 1/],
      [{ prefixes: '' }, /collectMetrics\(\) has no option `prefixes`/],
    ]) {
      assert.throws(() => collectMetrics(options), { message, code: /^ERR_HEAPGAP_/ });
    }
  });

  it('says what to install where prom-client is missing', async () => {
    const found = await runChild('without-peer.js', {
      args: ['prom-client', 'heapgap/prometheus'],
    });
    assert.equal(found.code, 'ERR_HEAPGAP_PEER_MISSING');
    assert.match(found.message, /heapgap\/prometheus needs the package prom-client.*npm install/);
    assert.equal(found.status, 404, 'GET …/metrics');
    assert.equal(found.body.error.code, 'ERR_HEAPGAP_PEER_MISSING');
  });

  it('passes promtool’s check', async (t) => {
    const text = await makeRegistry().metrics();
    const { error, status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], {
      input: text,
      encoding: 'utf8',
    });
    if (error) return lacks(t, 'promtool');
    assert.equal(status, 0, stdout + stderr);
    assert.equal(stdout + stderr, '');
  });
});

describe('GET …/metrics', () => {
  it('answers heapgap’s metrics in Prometheus’s format', async (t) => {
    const server = http.createServer(heapgap.route()).listen(0, '127.0.0.1');
    t.after(() => server.close());
    await once(server, 'listening');
    const address = `http://127.0.0.1:${server.address().port}/debug/memory/metrics`;
    const response = await fetch(address);
    assert.equal(response.status, 200);
    assert.equal(response.headers.get('content-type'), client.Registry.PROMETHEUS_CONTENT_TYPE);
    assert.equal(response.headers.get('cache-control'), 'no-store');
    const text = await response.text();
    assert.match(text, /^heapgap_process_resident_memory_bytes \d+$/m);
    assert.ok(!/^(?!heapgap_|#|$)/m.test(text), 'nothing but heapgap’s');
    const head = await fetch(address, { method: 'HEAD' });
    assert.equal(await head.text(), '');
  });
});

it('workers of node:cluster are summed up, and their cgroup is counted once', async () => {
  const { alone, together, workers } = await runChild('prometheus-cluster.js');
  assert.equal(workers, 2);
  const rss = 'heapgap_process_resident_memory_bytes';
  const sum = alone.reduce((total, samples) => total + samples[rss], 0);
  assert.ok(Math.abs(together[rss] - sum) < 0.2 * sum, `${together[rss]}, and ${sum} in all`);
  // Of the group that all of them are in.
  const usage = 'heapgap_cgroup_memory_usage_bytes';
  if (alone[0][usage] !== undefined) assert.ok(together[usage] < 1.5 * alone[0][usage]);
  assert.equal(together.heapgap_governor_running, 0);
});
