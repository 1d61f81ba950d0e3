'use strict';
// What heapgap itself costs: its calls, how they grow, a purge, and all of it in a service under load. Prints what it
// measured; `npm run bench` writes it into the documents. --quick: fewer and smaller; --only: some sections, with commas.

const { parseArgs } = require('node:util');

const { measureCost } = require('./cost/index.js');
const { cleanUp } = require('./process.js');
const { atLeast, progress, report, row } = require('./report.js');

const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string' },
  },
});

/** A row of what has been summed up already. */
const spreadRow = (name, { min, median, max }, unit, target) =>
  row(name, [min, median, max], unit, target);

const callRows = ({ name, allocator, us, loopUs }) => [
  spreadRow(`${allocator}: ${name}`, us, 'µs'),
  ...(loopUs ? [spreadRow(`${allocator}: ${name}: longest hold`, loopUs, 'µs')] : []),
];

const growthRows = ({ unit, points }) =>
  points.flatMap((point) => [
    spreadRow(`${point.at} ${unit}: stats()`, point.statsUs, 'µs'),
    spreadRow(`${point.at} ${unit}: age of its figures`, point.statsAgeMs, 'ms'),
    spreadRow(`${point.at} ${unit}: snapshot()`, point.snapshotUs, 'µs'),
    spreadRow(`${point.at} ${unit}: process.memoryUsage()`, point.memoryUsageUs, 'µs'),
    spreadRow(`${point.at} ${unit}: inspect()`, point.inspectMs, 'ms'),
    spreadRow(`${point.at} ${unit}: inspect(): longest hold`, point.inspectLoopMs, 'ms'),
  ]);

function purgeRows({ dirtyMb, durationMs, releasedMb, loopMs, idleLoopMs }) {
  const size = `${Math.round(dirtyMb.median)} MB`;
  return [
    spreadRow(`purge of ${size}: duration`, durationMs, 'ms'),
    spreadRow(`purge of ${size}: released`, releasedMb, 'MB'),
    spreadRow(`purge of ${size}: longest hold`, loopMs, 'ms'),
    spreadRow(`purge of ${size}: as long without one`, idleLoopMs, 'ms'),
  ];
}

const serviceRows = ({ perSecond, cpuMsPerRequest, throughputRatio, cpuRatio, noiseRatio }) => [
  spreadRow('service: requests a second, off', perSecond.off, ''),
  spreadRow('service: requests a second, on', perSecond.on, ''),
  spreadRow('service: CPU per request, off', cpuMsPerRequest.off, 'ms'),
  spreadRow('service: CPU per request, on', cpuMsPerRequest.on, 'ms'),
  spreadRow('service: throughput, on ÷ off', throughputRatio, '×', atLeast(0.99)),
  spreadRow('service: CPU per request, on ÷ off', cpuRatio, '×'),
  spreadRow('service: throughput, off ÷ off (noise)', noiseRatio, '×'),
];

async function main() {
  const cost = await measureCost({
    quick: options.quick,
    only: options.only?.split(','),
    say: progress,
  });
  report('cost', [
    ...cost.calls.flatMap(callRows),
    ...cost.growth.flatMap(growthRows),
    ...cost.purge.flatMap(purgeRows),
    ...(cost.service ? serviceRows(cost.service) : []),
  ]);
}

main()
  .catch((error) => {
    console.error(`bench:cost: ${error.message}`);
    process.exitCode = 1;
  })
  .finally(cleanUp);
