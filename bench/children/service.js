'use strict';
// A service's work without its network: bursts of JSON, Buffers, gzip and file streams, the same pieces
// of work in every run. Tells the parent when the load is over, and answers its question with the
// allocator's figures. Arguments: the number of pieces in each burst, with commas, and a file to read.

const fs = require('node:fs');
const { setTimeout: sleep } = require('node:timers/promises');
const { promisify } = require('node:util');
const zlib = require('node:zlib');
const heapgap = require('../..');

const KIB = 1024;
const MIB = 1024 * KIB;
const CONCURRENCY = 48;
const IDLE_MS = 400;
/** Sessions and caches: what outlives its request. */
const HELD = 48 * MIB;

const gzip = promisify(zlib.gzip);
const gunzip = promisify(zlib.gunzip);

/** mulberry32: small, and the same on every machine. */
function generator(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Sizes of real payloads: many small, few large. */
const between = (random, low, high) => Math.round(low * (high / low) ** random());

const [bursts, file] = process.argv.slice(2);
const text = fs.readFileSync(file);

const held = [];
let heldBytes = 0;

/** Keeps `buffer` for a while: what makes room for it is taken out anywhere, as sessions end. */
function hold(buffer, random) {
  held.push(buffer);
  heldBytes += buffer.length;
  while (heldBytes > HELD) {
    const index = Math.floor(random() * held.length);
    const out = held[index];
    const last = held.pop();
    if (index < held.length) held[index] = last;
    heldBytes -= out.length;
  }
}

function rows(count) {
  return Array.from({ length: count }, (_, id) => ({
    id,
    name: `row ${id}`,
    price: id * 1.25,
    tags: ['a', 'b', String(id % 7)],
  }));
}

/**
 * Objects in V8's heap, some 60 MB: with next to none V8 would go by the Buffers alone in choosing when
 * to collect, and peaks would differ by 50 MB between runs that are alike.
 */
const sessions = Array.from({ length: 600 }, () => rows(400));

/** Each takes its chances from `random`, which is the same for the same piece of work. */
const WORK = [
  async function json(random) {
    const body = Buffer.from(JSON.stringify(rows(between(random, 20, 2000))));
    if (random() < 0.2) hold(body, random);
    sessions[Math.floor(random() * sessions.length)] = JSON.parse(body.toString());
  },
  async function upload(random) {
    const chunks = Array.from({ length: between(random, 2, 40) }, () => {
      const chunk = Buffer.allocUnsafeSlow(between(random, KIB, 64 * KIB));
      return chunk.fill(1);
    });
    await new Promise((resolve) => setImmediate(resolve));
    const body = Buffer.concat(chunks);
    if (random() < 0.3) hold(body, random);
  },
  async function compress(random) {
    const packed = await gzip(text.subarray(0, between(random, 8 * KIB, 256 * KIB)), { level: 1 });
    if (random() < 0.5) hold(packed, random);
    await gunzip(packed);
  },
  async function stream(random) {
    const end = between(random, 4 * KIB, text.length);
    for await (const chunk of fs.createReadStream(file, { end })) {
      if (random() < 0.05) hold(chunk, random);
    }
  },
];

async function burst(count, latencies) {
  const end = latencies.length + count;
  let next = latencies.length;
  const line = async () => {
    while (next < end) {
      const random = generator(next++);
      const started = performance.now();
      await WORK[Math.floor(random() * WORK.length)](random);
      latencies.push(performance.now() - started);
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, line));
}

async function load(counts) {
  const latencies = [];
  let busyMs = 0;
  const cpu = process.cpuUsage();
  for (const count of counts) {
    const started = performance.now();
    await burst(count, latencies);
    busyMs += performance.now() - started;
    await sleep(IDLE_MS);
  }
  const { user, system } = process.cpuUsage(cpu);
  latencies.sort((a, b) => a - b);
  return {
    cpuSeconds: (user + system) / 1e6,
    perSecond: latencies.length / (busyMs / 1e3),
    p99Ms: latencies[Math.ceil(latencies.length * 0.99) - 1],
  };
}

async function main() {
  const loaded = await load(bursts.split(',').map(Number));
  // What V8 has yet to collect is chance: all start level here.
  globalThis.gc();
  process.send(loaded);
  process.once('message', () => {
    process.send({ stats: heapgap.stats() }, () => process.disconnect());
  });
}

main();
