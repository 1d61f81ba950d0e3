'use strict';
// What the gateway asks: answers /<bytes>/<ms> with about as much JSON, after so long. Prints its port.

const { once } = require('node:events');
const http = require('node:http');

const { hash } = require('./chance.js');

const row = (id) => ({
  id,
  name: `item ${hash(id)}`,
  price: hash(id) / 100,
  tags: ['a', String(id % 7)],
});
const ROWS = Array.from({ length: 16_000 }, (_, id) => JSON.stringify(row(id)));
const TEXT = ROWS.join();
/** Where each row ends in TEXT. */
const ENDS = [];
ROWS.reduce((end, text, index) => {
  ENDS[index] = end + text.length;
  return ENDS[index] + 1;
}, 0);

const bodies = new Map();

function bodyOf(bytes) {
  if (!bodies.has(bytes)) {
    const end = ENDS.find((at) => at >= bytes) ?? ENDS.at(-1);
    bodies.set(bytes, Buffer.from(`[${TEXT.slice(0, end)}]`));
  }
  return bodies.get(bytes);
}

async function main() {
  const server = http.createServer((request, response) => {
    const [bytes, ms] = request.url.slice(1).split('/').map(Number);
    setTimeout(() => response.end(bodyOf(bytes)), ms);
  });
  // A request on a connection that the server is closing would be an error of neither's.
  server.keepAliveTimeout = 60_000;
  server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 });
  await once(server, 'listening');
  console.log(server.address().port);
}

main();
