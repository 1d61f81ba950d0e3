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

const BYTES = Buffer.from(TEXT);

/** The first place behind a row that is not before so many bytes. */
function endOf(bytes) {
  let [low, high] = [0, ENDS.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ENDS[middle] < bytes) low = middle + 1;
    else high = middle;
  }
  return ENDS[low];
}

/** Out of what is there already: the first contender is not to wait for what the others find made. */
function answer(response, bytes) {
  const end = endOf(bytes);
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': end + 2 });
  response.write('[');
  response.write(BYTES.subarray(0, end));
  response.end(']');
}

async function main() {
  const server = http.createServer((request, response) => {
    const [bytes, ms] = request.url.slice(1).split('/').map(Number);
    setTimeout(() => answer(response, bytes), ms);
  });
  // A request on a connection that the server is closing would be an error of neither's.
  server.keepAliveTimeout = 60_000;
  server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 });
  await once(server, 'listening');
  console.log(server.address().port);
}

main();
