'use strict';
// Two cluster workers use heapgap; prints what each saw of itself.

const cluster = require('node:cluster');

async function work() {
  const heapgap = require('heapgap');
  const { pid, process: memory } = heapgap.snapshot();
  const { method } = await heapgap.purge();
  process.send({ pid, rss: memory.rss, method, name: heapgap.allocator().name });
  process.disconnect();
}

function lead() {
  const seen = [];
  for (let index = 0; index < 2; index++) {
    cluster.fork().on('message', (message) => {
      seen.push(message);
      if (seen.length === 2) process.stdout.write(JSON.stringify({ seen, lead: process.pid }));
    });
  }
}

if (cluster.isPrimary) lead();
else work();
