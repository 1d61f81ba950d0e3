'use strict';
// Serves a workload over HTTP: the first argument names its file, the others are its own. Prints the port; answers
// /figures with what it saw of itself. With HEAPGAP_BENCH_FLOOR it also counts what is live, which costs a little.

const { once } = require('node:events');
const http = require('node:http');
const path = require('node:path');
const { monitorEventLoopDelay } = require('node:perf_hooks');
const v8 = require('node:v8');

const { exposedGc } = require('../../lib/gc.js');

const SAMPLE_MS = 100;
const NS_PER_MS = 1e6;
/** How often the event loop is timed, which is in what the monitor records. */
const INTERVAL_MS = 10;
const [name, ...words] = process.argv.slice(2);

const loop = monitorEventLoopDelay({ resolution: INTERVAL_MS });
const seen = { heapUsed: 0, gapAtPeak: 0, peakRss: 0 };

function sample() {
  const { rss, heapTotal, heapUsed } = process.memoryUsage();
  seen.heapUsed = Math.max(seen.heapUsed, heapUsed);
  if (rss <= seen.peakRss) return;
  seen.peakRss = rss;
  seen.gapAtPeak = rss - heapTotal;
}

/** Bytes in V8's objects and in malloc's blocks, without what threads keep for the next ones. */
function live() {
  const { allocated, threadCaches } = require('../..').stats();
  return v8.getHeapStatistics().used_heap_size + allocated - threadCaches;
}

/** What was live before the load, and the most since, with what V8 had not collected. */
const floor = process.env.HEAPGAP_BENCH_FLOOR ? { idle: null, peak: null } : null;

function beginFloor() {
  floor.idle = live();
  floor.peak = floor.idle;
  setInterval(() => {
    floor.peak = Math.max(floor.peak, live());
  }, SAMPLE_MS / 5);
}

/** What is live now, without garbage. */
function liveAfterGc() {
  exposedGc()();
  return live();
}

/** The longest since it was last asked. */
function loopDelayMs() {
  const longest = Math.max(0, loop.max / NS_PER_MS - INTERVAL_MS);
  loop.reset();
  return longest;
}

function figures() {
  sample();
  const { rss, heapTotal } = process.memoryUsage();
  const answer = { ...seen, gap: rss - heapTotal, loopDelayMs: loopDelayMs() };
  if (floor) Object.assign(answer, { floor: { ...floor, now: liveAfterGc() } });
  return JSON.stringify(answer);
}

async function main() {
  const answer = await require(path.join(__dirname, `${name}.js`)).start(...words);
  const server = http.createServer((request, response) => {
    if (request.url === '/figures') return response.end(figures());
    answer(request, response).catch((error) => {
      console.error(error);
      response.statusCode = 500;
      response.end();
    });
  });
  // A request on a connection that the server is closing would be an error of neither's.
  server.keepAliveTimeout = 60_000;
  server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 });
  await once(server, 'listening');
  setInterval(sample, SAMPLE_MS);
  if (floor) beginFloor();
  loop.enable();
  console.log(server.address().port);
}

main();
