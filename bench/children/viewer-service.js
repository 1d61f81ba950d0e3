'use strict';
// A service that does nothing but hold memory and serve heapgap's route. Argument: the RSS it grows to, in bytes.
// Prints its port; tells the CPU it has used, and how long its event loop is held within a time.

const http = require('node:http');
const { setTimeout: rest } = require('node:timers/promises');
const heapgap = require('../..');
const { grow } = require('./grow.js');
const { longestDelay } = require('./timing.js');

const held = grow(Number(process.argv[2]));
globalThis.gc();

const route = heapgap.route();

/** getrusage(2): in microseconds, also of threads that have ended, as /proc's ticks are not. */
function figures() {
  const { user, system } = process.cpuUsage();
  const { rss } = process.memoryUsage();
  return { cpuMs: (user + system) / 1e3, atMs: performance.now(), rss, blocks: held.length };
}

const served = {
  '/figures': figures,
  '/hold': async (query) => ({ holdMs: await longestDelay(rest(Number(query.get('ms')))) }),
};

async function answer(request, response) {
  const { pathname, searchParams } = new URL(request.url, 'http://localhost');
  const body = await served[pathname]?.(searchParams);
  response.statusCode = body === undefined ? 404 : 200;
  response.setHeader('content-type', 'application/json').end(JSON.stringify(body));
}

const server = http.createServer((request, response) => {
  route(request, response, () => answer(request, response));
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
