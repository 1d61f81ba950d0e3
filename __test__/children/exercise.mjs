// Uses all of heapgap once, through named imports, and prints what came of it.

import * as heapgap from 'heapgap';
import { allocator, purge, route, snapshot, stats } from 'heapgap';

const report = await purge();
const { allocated, notes } = stats();
process.stdout.write(
  JSON.stringify({
    names: Object.keys(heapgap)
      .filter((name) => !['default', 'module.exports'].includes(name))
      .sort(),
    node: process.versions.node,
    allocator: allocator(),
    stats: { allocated, notes },
    snapshot: snapshot(),
    report,
    route: typeof route(),
  }),
);
