'use strict';
// `alone`: a service with heapgap's route. `cluster`: so many workers, each of which purges so often; the primary answers
// the metrics of all. Prints where it listens.

const cluster = require('node:cluster');
const { once } = require('node:events');
const http = require('node:http');
const v8 = require('node:v8');
const heapgap = require('heapgap');
const { AggregatorRegistry } = require('prom-client');

const [role, workers, purges] = process.argv.slice(2);

async function listen(handler) {
  const server = http.createServer(handler).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { heap_size_limit: heapLimit } = v8.getHeapStatistics();
  console.log(JSON.stringify({ port: server.address().port, heapLimit }));
}

async function asPrimary() {
  const all = new AggregatorRegistry();
  const started = Array.from({ length: Number(workers) }, () => cluster.fork());
  await Promise.all(started.map((worker) => once(worker, 'message')));
  const answer = async (response) => {
    const text = await all.clusterMetrics();
    response.setHeader('Content-Type', all.contentType);
    response.end(text);
  };
  await listen((_request, response) =>
    answer(response).catch((error) => response.writeHead(500).end(error.message)),
  );
}

async function asWorker() {
  require('heapgap/prometheus').collectMetrics();
  new AggregatorRegistry();
  for (let done = 0; done < Number(purges); done++) await heapgap.purge();
  process.send('ready');
}

if (cluster.isWorker) asWorker();
else if (role === 'cluster') asPrimary();
else listen(heapgap.route());
