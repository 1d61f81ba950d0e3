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

/** What comes of the calls whose files are read when they are first needed: an error's code, or 'done'. */
async function outcomes() {
  const calls = {
    allocator: () => heapgap.allocator(),
    snapshot: () => heapgap.snapshot({ maxAgeMs: 5 }),
    inspect: () => heapgap.inspect(),
    diagnose: () => heapgap.diagnose(),
    experiment: () => heapgap.diagnose({ experiment: true }),
    watch: () => heapgap.watch().stop(),
  };
  const found = {};
  for (const [name, call] of Object.entries(calls)) {
    try {
      await call();
      found[name] = 'done';
    } catch (error) {
      found[name] = error.code;
    }
  }
  return found;
}

async function useAll() {
  return { ...(await use()), outcomes: await outcomes() };
}

async function main() {
  if (process.argv[2] === 'used before') await useAll();
  const taken = takeAll();
  const without = await useAll();
  for (const descriptor of taken) fs.closeSync(descriptor);
  const after = await useAll();
  process.stdout.write(JSON.stringify({ without, after, taken: taken.length }));
}

main();
