'use strict';
// heapgap/otel with the real SDK.

const assert = require('node:assert/strict');
const { describe, it } = require('node:test');
const { metrics } = require('@opentelemetry/api');
const { DataPointType, MeterProvider, MetricReader } = require('@opentelemetry/sdk-metrics');
const heapgap = require('heapgap');
const { collectMetrics } = require('heapgap/otel');
const { metricsFor, rowsWithGone } = require('../lib/metrics.js');
const { runChild } = require('./support/child.js');

const MIB = 2 ** 20;

class Reader extends MetricReader {
  onShutdown() {}
  onForceFlush() {}
}

/** A meter, and a function that collects: metrics by name, each with its descriptor and data points. */
function provider() {
  const reader = new Reader();
  const all = new MeterProvider({ readers: [reader] });
  const collect = async () => {
    const { resourceMetrics, errors } = await reader.collect();
    assert.deepEqual(errors, []);
    const found = resourceMetrics.scopeMetrics.flatMap((scope) => scope.metrics);
    return new Map(found.map((metric) => [metric.descriptor.name, metric]));
  };
  return { all, meter: all.getMeter('test'), collect };
}

const firstOf = (metric) => metric?.dataPoints[0]?.value;

describe('collectMetrics()', () => {
  it('observes what snapshot() has, under the conventions’ names and heapgap’s', async () => {
    const { meter, collect } = provider();
    collectMetrics({ meter });
    const found = await collect();
    const { cgroup, process: memory, v8 } = heapgap.snapshot();
    const near = (name, expected) => {
      const value = firstOf(found.get(name));
      assert.ok(Math.abs(value - expected) < 16 * MIB, `${name}: ${value}, not ${expected}`);
    };
    near('process.memory.usage', memory.rss);
    near('heapgap.process.resident_memory', memory.rss);
    assert.equal(firstOf(found.get('heapgap.v8.heap_limit')), v8.heapLimit);
    assert.equal(firstOf(found.get('heapgap.cgroup.memory_limit')), cgroup.limit ?? undefined);
    const spaces = found.get('v8js.memory.heap.used').dataPoints;
    assert.deepEqual(
      spaces.map(({ attributes }) => attributes['v8js.heap.space.name']).sort(),
      v8.spaces.map(({ name }) => name).sort(),
    );
    const parts = found.get('heapgap.ledger').dataPoints;
    const sum = parts.reduce((total, { value }) => total + value, 0);
    assert.equal(sum, firstOf(found.get('process.memory.usage')));
    assert.ok(found.get('heapgap.verdict.info').dataPoints.length > 0);
  });

  it('has the units and the kinds of instruments that fit', async () => {
    const { meter, collect } = provider();
    collectMetrics({ meter, findings: false });
    const found = await collect();
    const kind = (name) => [found.get(name).dataPointType, found.get(name).descriptor.unit];
    assert.deepEqual(kind('heapgap.gap'), [DataPointType.SUM, 'By']);
    assert.deepEqual(kind('heapgap.purges'), [DataPointType.SUM, '1']);
    assert.equal(found.get('heapgap.purges').isMonotonic, true);
    assert.equal(found.get('heapgap.gap').isMonotonic, false);
    if (found.has('heapgap.cgroup.memory_usage')) {
      assert.equal(kind('heapgap.cgroup.memory_usage')[0], DataPointType.GAUGE);
    }
    assert.ok(![...found.keys()].some((name) => /finding|verdict/.test(name)));
  });

  it('observes nothing of what is missing', async () => {
    const { meter, collect } = provider();
    collectMetrics({ meter, findings: false });
    const found = await collect();
    const { allocator } = heapgap.snapshot();
    for (const key of ['allocated', 'metadata', 'free']) {
      const points = found.get(`heapgap.allocator.${key}`)?.dataPoints ?? [];
      assert.equal(points.length > 0, allocator[key] !== null, key);
    }
  });

  it('says 0 of what is found no more', () => {
    const metric = metricsFor({ findings: true }).find(
      ({ name }) => name.join('_') === 'verdict_info',
    );
    const rows = rowsWithGone(metric);
    const of = (diagnosis) =>
      Object.fromEntries(rows({ diagnosis }).map(([{ verdict }, value]) => [verdict, value]));
    assert.deepEqual(of({ verdict: 'retention', findings: [] }), { retention: 1 });
    assert.deepEqual(of({ verdict: 'healthy', findings: [] }), { healthy: 1, retention: 0 });
    assert.deepEqual(of({ verdict: null, findings: null }), {}, 'nobody knows');
    assert.deepEqual(of({ verdict: 'retention', findings: [] }), { retention: 1, healthy: 0 });
  });

  it('leaves the conventions’ names to others', async () => {
    const { meter, collect } = provider();
    collectMetrics({ meter, semanticConventions: false, findings: false });
    const names = [...(await collect()).keys()];
    assert.ok(names.length > 20 && names.every((name) => name.startsWith('heapgap.')));
  });

  it('takes the global meter provider', async () => {
    const { all, collect } = provider();
    metrics.setGlobalMeterProvider(all);
    collectMetrics({ findings: false });
    assert.ok(firstOf((await collect()).get('heapgap.gap')) > 0);
    metrics.disable();
  });

  it('names an option that is wrong, and a package that is missing', async () => {
    assert.throws(() => collectMetrics({ meter: {} }), /expected `meter` to be a Meter of OpenTel/);
    assert.throws(() => collectMetrics({ findings: 0 }), { code: 'ERR_HEAPGAP_INVALID_ARG_TYPE' });
    const { code, message } = await runChild('without-peer.js', {
      args: ['@opentelemetry/api', 'heapgap/otel'],
    });
    assert.equal(code, 'ERR_HEAPGAP_PEER_MISSING');
    assert.match(message, /heapgap\/otel needs the package @opentelemetry\/api/);
  });
});
