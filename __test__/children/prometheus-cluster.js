'use strict';
// Two workers, each with heapgap's metrics; the primary asks them one by one, and for all together.

const cluster = require('node:cluster');
const { once } = require('node:events');
const { AggregatorRegistry, register } = require('prom-client');

const WORKERS = 2;

const samplesOf = (text) =>
  Object.fromEntries(
    text
      .split('\n')
      .filter((line) => /^heapgap_[a-z_]+ /.test(line))
      .map((line) => line.split(' '))
      .map(([name, value]) => [name, Number(value)]),
  );

async function asPrimary() {
  const all = new AggregatorRegistry();
  const workers = Array.from({ length: WORKERS }, () => cluster.fork());
  const alone = await Promise.all(workers.map((worker) => once(worker, 'message')));
  const together = samplesOf(await all.clusterMetrics());
  console.log(
    JSON.stringify({
      workers: Object.keys(cluster.workers).length,
      alone: alone.map(([text]) => samplesOf(text)),
      together,
    }),
  );
  process.exit();
}

async function asWorker() {
  require('heapgap/prometheus').collectMetrics();
  // Answers the primary's registry.
  new AggregatorRegistry();
  process.send(await register.metrics());
}

if (cluster.isPrimary) asPrimary();
else asWorker();
