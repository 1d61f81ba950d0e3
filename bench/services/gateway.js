'use strict';
// An API gateway: asks several services at once, puts their JSON together, compresses it, and keeps what is asked
// for often. Its argument is the port of those services (upstream.js).

const http = require('node:http');
const { promisify } = require('node:util');
const zlib = require('node:zlib');

const { hash, numberOf, skewed } = require('./chance.js');

const KIB = 1024;
const FAN_OUT = 4;
const SESSIONS = 20_000;
const SESSION_ROWS = 20;
const CACHED = 400;

const gzip = promisify(zlib.gzip);
const agent = new http.Agent({ keepAlive: true, maxSockets: 256 });
const sessions = new Map();
const cache = new Map();

function body(port, bytes) {
  return new Promise((resolve, reject) => {
    const asked = http.get({ port, host: '127.0.0.1', agent, path: `/${bytes}` }, (response) => {
      const chunks = [];
      response.on('data', (chunk) => chunks.push(chunk));
      response.on('end', () => resolve(Buffer.concat(chunks)));
      response.on('error', reject);
    });
    asked.on('error', reject);
  });
}

/** Takes the place of one that is chosen anywhere, as sessions end. */
function remember(number, rows) {
  sessions.set(hash(number * 7) % SESSIONS, rows.slice(0, SESSION_ROWS));
}

/** Those that were there before: objects in V8's heap, some 80 MB. */
function open() {
  for (let number = 0; number < SESSIONS; number++) {
    const rows = Array.from({ length: SESSION_ROWS }, (_, id) => ({
      id,
      name: `item ${id}`,
      tags: [],
    }));
    sessions.set(number, rows);
  }
}

async function answer(port, request, response) {
  const number = numberOf(request);
  const asked = Array.from({ length: FAN_OUT }, (_, part) =>
    body(port, skewed(number * FAN_OUT + part, 8 * KIB, 192 * KIB)),
  );
  const parts = (await Promise.all(asked)).map((part) => JSON.parse(part.toString()));
  const rows = parts.flat();
  remember(number, rows);
  const packed = await gzip(JSON.stringify({ number, rows }), { level: 1 });
  cache.set(hash(number * 13) % CACHED, packed);
  response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' });
  response.end(packed);
}

module.exports = {
  async start(port) {
    open();
    return (request, response) => answer(Number(port), request, response);
  },
};
