'use strict';
// So many workers serve the route at one port, which is told once all of them listen.

const cluster = require('node:cluster');
const http = require('node:http');

function work() {
  const { route } = require('heapgap');
  http.createServer(route({ minIntervalMs: 0 })).listen(0, '127.0.0.1');
}

function lead(count) {
  let listening = 0;
  cluster.on('listening', (_, { port }) => {
    listening += 1;
    if (listening === count) process.send(port);
  });
  for (let index = 0; index < count; index++) cluster.fork();
  // Workers end with the channel to their leader.
  process.once('SIGTERM', () => process.exit());
}

if (cluster.isPrimary) lead(Number(process.argv[2]));
else work();
