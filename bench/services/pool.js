'use strict';
// What runs on libuv's pool, mixed: compression, key derivation, names looked up, files read.

const crypto = require('node:crypto');
const dns = require('node:dns/promises');
const fs = require('node:fs/promises');
const { promisify } = require('node:util');
const zlib = require('node:zlib');

const { between, hash, numberOf, skewed } = require('./chance.js');

const KIB = 1024;
const LARGEST = 1024 * KIB;
const KEPT = 300;

const deflate = promisify(zlib.deflate);
const inflate = promisify(zlib.inflate);
const scrypt = promisify(crypto.scrypt);

/** Compresses about as well as text does. */
const text = Buffer.from(Array.from({ length: LARGEST }, (_, i) => 97 + (hash(i) % 23)));
const kept = new Map();

const WORK = [
  async function compress(number) {
    const packed = await deflate(text.subarray(0, skewed(number, 8 * KIB, LARGEST)), { level: 1 });
    const unpacked = await inflate(packed);
    return unpacked.subarray(0, 100);
  },
  async function derive(number) {
    // 4 to 16 MiB each.
    const cost = 2 ** between(number, 12, 15);
    return scrypt(`password ${number}`, 'salt', 64, { cost });
  },
  async function look() {
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
  const body = await WORK[number % WORK.length](number, file);
  kept.set(hash(number * 13) % KEPT, body);
  response.end(body.subarray(0, 100));
}

module.exports = {
  start: async (file) => (request, response) => answer(file, request, response),
};
