'use strict';
// Starts a child process, a cluster worker and a worker thread, and prints the pids of the processes.

const cluster = require('node:cluster');
const { spawnSync } = require('node:child_process');
const { once } = require('node:events');
const { Worker } = require('node:worker_threads');

async function main() {
  const child = spawnSync(process.execPath, ['-p', 'process.pid'], { encoding: 'utf8' });
  const forked = cluster.fork();
  await once(forked, 'exit');
  await once(new Worker('process.env.HG_CALLS', { eval: true }), 'exit');
  const pids = [process.pid, Number(child.stdout), forked.process.pid];
  process.stdout.write(JSON.stringify({ pids, stderr: child.stderr }));
}

if (cluster.isPrimary) main();
else process.disconnect();
