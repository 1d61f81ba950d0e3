'use strict';
// An API gateway: asks several services at once, looks into what the first answers, puts all of it together, compresses
// it, and keeps some of the results. Its argument is the port of those services (upstream.js).

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

function body(port, bytes, ms) {
  return new Promise((resolve, reject) => {
    const options = { port, host: '127.0.0.1', agent, path: `/${bytes}/${ms}` };
    const asked = http.get(options, (response) => {
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

/** One in four is looked into; the others are passed on as they are. */
async function answer(port, request, response) {
  const number = numberOf(request);
  const asked = Array.from({ length: FAN_OUT }, (_, part) => {
    const chance = number * FAN_OUT + part;
    return body(port, skewed(chance, 8 * KIB, 768 * KIB), skewed(chance * 3, 5, 400));
  });
  const parts = await Promise.all(asked);
  const smallest = parts.reduce((least, part) => (part.length < least.length ? part : least));
  remember(number, JSON.parse(smallest.toString()));
  const packed = await gzip(Buffer.concat(parts), { level: 1 });
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
