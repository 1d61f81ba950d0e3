'use strict';
// What runs on libuv's pool, mixed: compression, key derivation, names looked up, files read; beside a store in V8's
// heap, and what users have looked at, which is kept for some seconds.

const crypto = require('node:crypto');
const dns = require('node:dns/promises');
const fs = require('node:fs/promises');
const { promisify } = require('node:util');
const zlib = require('node:zlib');

const { between, hash, numberOf, skewed } = require('./chance.js');

const KIB = 1024;
const LARGEST = 1024 * KIB;
const KEPT = 300;
const STORE_ROWS = 300_000;
const SEEN_ROWS = 4000;
const SEEN_MS = 5000;

const deflate = promisify(zlib.deflate);
const inflate = promisify(zlib.inflate);
const scrypt = promisify(crypto.scrypt);

/** Compresses about as well as text does. */
const text = Buffer.from(Array.from({ length: LARGEST }, (_, i) => 97 + (hash(i) % 23)));
const kept = new Map();
const seen = new Map();

const store = [];

function fill() {
  for (let id = 0; id < STORE_ROWS; id++) {
    store.push({ id, name: `row ${hash(id)}`, price: hash(id) / 100, tags: [`tag ${id % 31}`] });
  }
}

/** A user looks at some rows, of which the session has its own. */
function look(number) {
  const first = hash(number * 5);
  const rows = store.slice(first, first + between(number, SEEN_ROWS / 2, SEEN_ROWS));
  seen.set(
    number,
    rows.map((row) => ({ ...row, tags: [...row.tags] })),
  );
  setTimeout(() => seen.delete(number), SEEN_MS);
}

const WORK = [
  async function compress(number) {
    const packed = await deflate(text.subarray(0, skewed(number, 8 * KIB, LARGEST)), { level: 1 });
    const unpacked = await inflate(packed);
    return unpacked.subarray(0, 100);
  },
  async function derive(number) {
    // 4, 8 or 16 MiB each.
    const cost = 2 ** between(number, 12, 15);
    return scrypt(`password ${number}`, 'salt', 64, { cost });
  },
  async function resolve() {
    const { address } = await dns.lookup('localhost');
    return Buffer.from(address);
  },
  async function read(number, file) {
    const handle = await fs.open(file);
    try {
      const size = skewed(number, 4 * KIB, LARGEST);
      const { buffer } = await handle.read({ buffer: Buffer.allocUnsafeSlow(size) });
      return buffer;
    } finally {
      await handle.close();
    }
  },
];

async function answer(file, request, response) {
  const number = numberOf(request);
  look(number);
  const body = await WORK[number % WORK.length](number, file);
  kept.set(hash(number * 13) % KEPT, body);
  response.end(body.subarray(0, 100));
}

module.exports = {
  async start(file) {
    fill();
    return (request, response) => answer(file, request, response);
  },
};
