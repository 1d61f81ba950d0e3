'use strict';
// Puts this process on the shipped jemalloc. Loaded before anything else, by `import 'heapgap/preload'` as
// the first line or by `node -r heapgap/preload`.

const { isMainThread } = require('node:worker_threads');

const { allocator } = require('./native.js');

/** `0`: leave this process and its children as they are. */
const { HEAPGAP_PRELOAD: setting = '1' } = process.env;

function preload() {
  if (!isMainThread || setting === '0') return;
  if (allocator().name === 'jemalloc') {
    // What tells a process that it has started anew is of no use to those that it starts.
    delete process.env.HEAPGAP_PRELOAD_DONE;
    return;
  }
  // Loaded by the first start only: the second has been waited for long enough.
  const { giveUp, reexec } = require('./reexec.js');
  if (setting === '1' || setting === '') return reexec();
  giveUp(`expected HEAPGAP_PRELOAD to be 0 or 1, got ${JSON.stringify(setting)}`);
}

// A service must not fail to start because of its allocator.
try {
  preload();
} catch (error) {
  require('./reexec.js').warn(error.message);
}
