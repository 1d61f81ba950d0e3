'use strict';
// Purges where no thread can be started: becomes a user whom the limit of prlimit(1) binds.

const heapgap = require('../..');

async function main() {
  process.setuid(65534);
  const outcome = await heapgap.purge().catch(({ code, message }) => ({ code, message }));
  const { allocated } = heapgap.stats();
  process.stdout.write(JSON.stringify({ outcome, allocated }));
}

main();
