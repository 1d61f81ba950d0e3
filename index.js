'use strict';

const { allocator } = require('./lib/allocator.js');
const { purge } = require('./lib/purge.js');
const { freshSnapshot, snapshot, stats } = require('./lib/read.js');
const { createRoute } = require('./lib/route.js');

const route = createRoute({ snapshot: freshSnapshot, purge });

// A plain object literal: Node.js finds the names for `import { stats } from 'heapgap'` in it
// without running it (cjs-module-lexer).
module.exports = { allocator, purge, route, snapshot, stats };
