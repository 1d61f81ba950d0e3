'use strict';
// Uses all of heapgap once, as CommonJS, and prints what came of it.

const heapgap = require('heapgap');

async function main() {
  const { allocator, purge, route, snapshot, stats } = heapgap;
  const report = await purge();
  const { allocated, notes } = stats();
  process.stdout.write(
    JSON.stringify({
      names: Object.keys(heapgap).sort(),
      node: process.versions.node,
      allocator: allocator(),
      stats: { allocated, notes },
      snapshot: snapshot(),
      report,
      route: typeof route(),
    }),
  );
}

main();
