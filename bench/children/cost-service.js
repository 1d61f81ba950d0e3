'use strict';
// An Express service of JSON, Buffers and gzip, in which heapgap is switched on and off: on, its governor runs and
// its route is served; off, neither is there. Has its profiler called from outside. Tells what it has done so far, and prints its port.

const { promisify } = require('node:util');
const zlib = require('node:zlib');
const express = require('express');
const heapgap = require('../..');

const gzip = promisify(zlib.gzip);
/** Answers that are kept, to be sent again. */
const KEPT = 200;

const rows = Array.from({ length: 100 }, (_, id) => ({
  id,
  name: `row ${id}`,
  price: id * 1.25,
  tags: ['a', 'b', String(id % 7)],
}));
const text = JSON.stringify(rows);

const kept = [];
let answered = 0;

async function work(_, response) {
  const order = JSON.parse(text);
  order[answered % rows.length].price = answered;
  const upload = Buffer.allocUnsafeSlow(16 * 1024 + (answered % 32) * 1024).fill(1);
  const body = await gzip(JSON.stringify({ order, size: upload.length }), { level: 1 });
  kept[answered % KEPT] = body;
  answered += 1;
  response.set('content-encoding', 'gzip').type('json').send(body);
}

const route = heapgap.route();
let governor = null;

async function turn(on) {
  if (on) governor ??= heapgap.govern();
  else await governor?.stop();
  if (!on) governor = null;
}

function figures() {
  const { user, system } = process.cpuUsage();
  return { answered, cpuMs: (user + system) / 1e3, atMs: performance.now() };
}

const app = express();
app.use((request, response, next) => (governor ? route(request, response, next) : next()));
app.get('/', work);
app.get('/figures', (_, response) => response.json(figures()));
app.get('/profiler/:call', async (request, response) => {
  response.json((await heapgap.profiler[request.params.call]()) ?? {});
});
app.get('/turn/:to', async (request, response) => {
  await turn(request.params.to === 'on');
  response.json({});
});
const server = app.listen(0, '127.0.0.1', () => console.log(server.address().port));
