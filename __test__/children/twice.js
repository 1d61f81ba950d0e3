'use strict';
// Purges twice, and prints what the second purge found.

const heapgap = require('../..');

async function main() {
  await heapgap.purge();
  process.stdout.write(JSON.stringify(await heapgap.purge()));
}

main();
