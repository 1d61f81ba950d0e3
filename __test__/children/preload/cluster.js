'use strict';
// Two cluster workers that serve HTTP; prints who serves malloc in each process, and in how many starts.

const cluster = require('node:cluster');
const http = require('node:http');

if (process.argv[2] === 'workers only' && cluster.isWorker) require('../../../lib/preload.js');
const { allocator } = require('../../..');

function serve() {
  const server = http.createServer((_, response) => {
    response.end(JSON.stringify({ pid: process.pid, name: allocator().name }));
  });
  server.listen(0);
}

async function ask(port) {
  const response = await fetch(`http://127.0.0.1:${port}/`, { headers: { connection: 'close' } });
  return response.json();
}

async function lead() {
  const workers = [cluster.fork(), cluster.fork()];
  const listening = workers.map((w) => new Promise((resolve) => w.once('listening', resolve)));
  const [{ port }] = await Promise.all(listening);
  const answers = [];
  // Round robin: as many requests as workers, and each has answered one.
  for (const _ of workers) answers.push(await ask(port));
  const pids = workers.map((worker) => worker.process.pid);
  process.stdout.write(JSON.stringify({ name: allocator().name, pids, answers }));
  cluster.disconnect();
}

if (cluster.isPrimary) lead();
else serve();
