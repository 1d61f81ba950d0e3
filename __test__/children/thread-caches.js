'use strict';
// Has each thread of libuv's pool allocate a large block and free it, purges, and prints the report.

const { scrypt } = require('node:crypto');
const heapgap = require('../..');

/** OpenSSL's scrypt allocates `128 × N × r` bytes in the thread that it runs in: 1 MiB. */
const OPTIONS = { N: 1024, r: 8, p: 4 };

function derive() {
  return new Promise((resolve, reject) => {
    scrypt('password', 'salt', 32, OPTIONS, (error) => (error ? reject(error) : resolve()));
  });
}

async function main() {
  const jobs = 4 * Number(process.env.UV_THREADPOOL_SIZE);
  await Promise.all(Array.from({ length: jobs }, derive));
  process.stdout.write(JSON.stringify(await heapgap.purge()));
}

main();
