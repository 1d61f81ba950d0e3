'use strict';
// An HTTP service that does what services do with Buffers and gzip. Bursts of two kinds take turns. Exports
// are compressed in several steps on libuv's threads, so that hundreds of compressors exist at once, in those
// threads' arenas; uploads are large Buffers of the main thread's. What one kind has freed is of little use
// to the other. The n-th request is the same piece of work in every run. Prints its port.

const crypto = require('node:crypto');
const http = require('node:http');
const { setTimeout: sleep } = require('node:timers/promises');
const { promisify } = require('node:util');
const zlib = require('node:zlib');

const gzip = promisify(zlib.gzip);
const KIB = 1024;
const BURST = 1000;
/** Answers that are kept, to be sent again. */
const KEPT = 400;
/** Records of 1 KB that outlive their request. */
const SESSIONS = 4000;
/** Clients that listen to events: each twentieth export comes from a new one, in place of the oldest. */
const FEEDS = 24;
const FEED_EVERY = 20;
const STORAGE_MS = 50;

/** The same bits for the same number: Knuth's multiplicative hash, its upper half. */
const hash = (number) => (Math.imul(number + 1, 2_654_435_761) >>> 16) & 0xffff;
const between = (request, low, high) => low + Math.floor((hash(request) * (high - low)) / 0x10000);

function rows(count) {
  return Array.from({ length: count }, (_, id) => ({
    id,
    name: `row ${id}`,
    price: hash(id) / 100,
    tags: ['a', 'b', String(id % 7)],
  }));
}

const PAGE = Buffer.from(JSON.stringify(rows(200)));
/** Compresses badly, as tokens and images do. */
const TOKENS = Buffer.from(Array.from({ length: 40 * KIB }, (_, i) => hash(i * 31) >> 7));

const kept = new Map();
const sessions = new Map();
const feeds = [];

/** A stream of events, whose compressor stays. */
function openFeed(body) {
  const feed = zlib.createGzip();
  feed.resume();
  feed.write(body);
  feeds.push(feed);
  if (feeds.length > FEEDS) feeds.shift().destroy();
}

function exported(request) {
  const body = Buffer.from(TOKENS.subarray(0, between(request, 18 * KIB, 24 * KIB)));
  if (request % FEED_EVERY === 0) openFeed(body);
  return gzip(body);
}

/** Chunks as a socket gives them, put together, and kept for as long as a storage takes to have them. */
async function uploaded(request) {
  const size = between(request, 100 * KIB, 200 * KIB);
  const chunks = [];
  for (let length = 0; length < size; length += chunks.at(-1).length) {
    const wanted = between(request + length, 8 * KIB, 64 * KIB);
    chunks.push(Buffer.allocUnsafeSlow(Math.min(wanted, size - length)).fill(PAGE));
  }
  const body = Buffer.concat(chunks, size);
  await sleep(STORAGE_MS);
  const digest = crypto.createHash('sha1').update(body).digest('hex');
  return Buffer.from(JSON.stringify({ digest, size, rows: rows(300) }));
}

/** Takes the place of a record chosen anywhere. */
function remember(request) {
  sessions.set(hash(request * 7) % SESSIONS, Buffer.allocUnsafeSlow(KIB).fill(request));
}

let served = 0;

async function answer(response) {
  const request = served++;
  const work = Math.floor(request / BURST) % 2 === 0 ? exported : uploaded;
  const working = work(request);
  remember(request);
  const body = await working;
  kept.set(hash(request) % KEPT, body);
  response.writeHead(200, { 'content-length': body.length });
  response.end(body);
}

/** What the governor says it did; asked for when a run is over. */
function governor() {
  const heapgap = require('../..');
  return JSON.stringify(heapgap.snapshot().governor ?? null);
}

const server = http.createServer((request, response) => {
  if (request.url === '/governor') return response.end(governor());
  answer(response);
});
server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () =>
  console.log(server.address().port),
);
