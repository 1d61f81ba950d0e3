'use strict';
// heapgap/otel: observable instruments of OpenTelemetry, read when a reader collects.

const { createReading } = require('./reading.js');
const { peer } = require('./peer.js');
const { GROUP, metricsFor, rowsWithGone } = require('./metrics.js');
const { boolean, readOptions } = require('./options.js');

const OPTIONS = {
  meter: {
    default: undefined,
    check: (value) => typeof value?.addBatchObservableCallback === 'function',
    expected: 'a Meter of OpenTelemetry',
  },
  findings: boolean(true),
  semanticConventions: boolean(true),
};

/** UCUM, as the conventions have it. */
const UNITS = { bytes: 'By', seconds: 's', '': '1' };

const spaceOf = (key) => {
  return ({ snapshot }) =>
    snapshot.v8.spaces.map((space) => [{ 'v8js.heap.space.name': space.name }, space[key]]);
};

const convention = (name, help, read) => ({
  fullName: name,
  help,
  read,
  kind: 'gauge',
  unit: 'bytes',
});

/** https://opentelemetry.io/docs/specs/semconv/: process, v8js and container metrics, of those that heapgap reads the same. */
const CONVENTIONS = [
  convention(
    'process.memory.usage',
    'The amount of physical memory in use.',
    ({ snapshot }) => snapshot.process.rss,
  ),
  convention('v8js.memory.heap.space.size', 'Heap memory pre-allocated.', spaceOf('size')),
  convention('v8js.memory.heap.used', 'Heap memory allocated.', spaceOf('used')),
  convention(
    'v8js.memory.heap.space.available_size',
    'Heap space available.',
    spaceOf('available'),
  ),
  convention(
    'v8js.memory.heap.space.physical_size',
    'Committed size of a heap space.',
    spaceOf('physical'),
  ),
  convention(
    'container.memory.usage',
    'Memory usage of the container.',
    ({ snapshot }) => snapshot.cgroup.usage,
  ),
];

/** Its namespace, a dot, and the words of its name: https://opentelemetry.io/docs/specs/semconv/general/naming/ */
function nameOf({ fullName, name }) {
  if (fullName !== undefined) return fullName;
  const [first, ...words] = name;
  return ['heapgap', first, ...(words.length > 0 ? [words.join('_')] : [])].join('.');
}

/** What adds up over processes is no gauge. */
function instrumentOf(meter, metric) {
  const options = { description: metric.help, unit: UNITS[metric.unit] };
  const name = nameOf(metric);
  if (metric.kind === 'counter') return meter.createObservableCounter(name, options);
  if (metric.of === GROUP) return meter.createObservableGauge(name, options);
  return meter.createObservableUpDownCounter(name, options);
}

function defaultMeter() {
  const { metrics } = peer('@opentelemetry/api', 'heapgap/otel');
  return metrics.getMeter('heapgap', require('../package.json').version);
}

/** Makes the instruments; all are observed in one callback, which takes one reading. */
function collectMetrics(options) {
  const { meter = defaultMeter(), ...wanted } = readOptions(OPTIONS, options, 'collectMetrics');
  const read = createReading(wanted);
  const metrics = [...(wanted.semanticConventions ? CONVENTIONS : []), ...metricsFor(wanted)].map(
    (metric) => ({ instrument: instrumentOf(meter, metric), rows: rowsWithGone(metric) }),
  );

  async function observe(result) {
    const reading = await read();
    for (const { instrument, rows } of metrics) {
      for (const [labels, value] of rows(reading)) result.observe(instrument, value, labels);
    }
  }
  meter.addBatchObservableCallback(
    observe,
    metrics.map(({ instrument }) => instrument),
  );
}

module.exports = { collectMetrics };
