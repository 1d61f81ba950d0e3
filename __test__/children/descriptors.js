'use strict';
// Reads and purges while it has no file descriptor left, and again when it has; prints what it saw.

const fs = require('node:fs');
const heapgap = require('../..');

/** Opens files until there is no descriptor left for another one. */
function takeAll() {
  const taken = [];
  for (;;) {
    try {
      taken.push(fs.openSync('/dev/null'));
    } catch (error) {
      if (error.code !== 'EMFILE') throw error;
      return taken;
    }
  }
}

async function use() {
  return { stats: heapgap.stats(), snapshot: heapgap.snapshot(), report: await heapgap.purge() };
}

async function main() {
  if (process.argv[2] === 'used before') await use();
  const taken = takeAll();
  const without = await use();
  for (const descriptor of taken) fs.closeSync(descriptor);
  const after = await use();
  process.stdout.write(JSON.stringify({ without, after, taken: taken.length }));
}

main();
