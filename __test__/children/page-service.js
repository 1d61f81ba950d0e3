'use strict';
// A service whose memory a test moves: `node --expose-gc page-service.js <port> [token]`; 0 for any port.

const http = require('node:http');
const heapgap = require('../../index.js');

const [port, token] = process.argv.slice(2);
const memory = heapgap.route({ token, minIntervalMs: 10_000 });

const MB = 2 ** 20;
let held = [];

const ACTIONS = {
  /** Buffers of a size that the allocator serves from pages of its own. */
  '/hold': (megabytes) => {
    held = held.concat(Array.from({ length: megabytes * 8 }, () => Buffer.alloc(MB / 8, 1)));
  },
  '/drop': () => {
    held = [];
    globalThis.gc();
  },
  /** Holds the event loop. */
  '/block': (ms) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms),
};

const server = http.createServer((req, res) => {
  const { pathname, searchParams } = new URL(req.url, 'http://localhost');
  const action = ACTIONS[pathname];
  if (!action) return memory(req, res);
  action(Number(searchParams.get('n')));
  return res.end('{}');
});
server.listen(Number(port), '127.0.0.1', () => {
  console.log(JSON.stringify({ port: server.address().port, pid: process.pid }));
});
