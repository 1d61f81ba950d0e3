'use strict';
// heapgap/prometheus: metrics of prom-client that are read when a registry is asked for them.

const { GROUP, metricsFor, prometheusName, rowsOf } = require('./metrics.js');
const { boolean, readOptions } = require('./options.js');
const { peer } = require('./peer.js');
const { createReading } = require('./reading.js');

const OPTIONS = {
  register: {
    default: undefined,
    check: (value) => typeof value?.registerMetric === 'function',
    expected: 'a Registry of prom-client',
  },
  prefix: {
    default: 'heapgap_',
    check: (value) => typeof value === 'string' && /^[a-zA-Z_:][a-zA-Z0-9_:]*$/.test(value),
    expected: 'a string that a metric’s name can begin with',
  },
  findings: boolean(true),
};

/** What `collect` does: a metric that was not read has no value, instead of 0. */
function collectWith(metric, read) {
  return async function collect() {
    const rows = rowsOf(metric, await read());
    this.reset();
    // prom-client gives a metric without labels the value 0.
    if (metric.labels.length === 0) this.remove();
    const put = metric.kind === 'counter' ? 'inc' : 'set';
    for (const [labels, value] of rows) this[put](labels, value);
  };
}

/**
 * Registers heapgap's metrics. In the workers of node:cluster they are summed up by prom-client's
 * `AggregatorRegistry`, but for what belongs to the cgroup, which all of them share.
 */
function collectMetrics(options) {
  const { register, prefix, findings } = readOptions(OPTIONS, options, 'collectMetrics');
  const client = peer('prom-client', 'heapgap/prometheus');
  const registers = [register ?? client.register];
  const read = createReading({ findings });
  for (const metric of metricsFor({ findings })) {
    const Metric = metric.kind === 'counter' ? client.Counter : client.Gauge;
    new Metric({
      name: prometheusName(metric, prefix),
      help: metric.help,
      labelNames: metric.labels,
      aggregator: metric.of === GROUP ? 'max' : 'sum',
      registers,
      collect: collectWith(metric, read),
    });
  }
}

/** One that has nothing but heapgap's metrics. */
function makeRegistry() {
  const { Registry } = peer('prom-client', 'heapgap/prometheus');
  const register = new Registry();
  collectMetrics({ register });
  return register;
}

module.exports = { collectMetrics, makeRegistry };
