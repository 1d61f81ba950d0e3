'use strict';
// Puts this process on the shipped jemalloc; governs it where HEAPGAP_GOVERN says so, and names its code where
// HEAPGAP_PROFILE does. Loaded before anything else, by `import 'heapgap/preload'` as the first line or by `node -r heapgap/preload`.

const { isMainThread } = require('node:worker_threads');

const { allocator } = require('./native.js');

/** HEAPGAP_PRELOAD=0: leave this process and its children on the allocator that they have. */
const {
  HEAPGAP_PRELOAD: setting = '1',
  HEAPGAP_GOVERN: governing = '',
  HEAPGAP_PROFILE: profiling = '',
} = process.env;

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

function govern() {
  if (!isMainThread || governing === '' || governing === '0') return;
  try {
    require('./govern-switch.js').switchOn(governing);
  } catch (error) {
    const message = `no governor runs in this process: ${error.message} (HEAPGAP_GOVERN=0 asks for none)`;
    process.emitWarning(message, { type: 'HeapgapWarning', code: 'HEAPGAP_GOVERN' });
  }
}

/** Also in worker threads: V8 tells each thread of its own code. */
function profile() {
  if (profiling === '' || profiling === '0') return;
  const { nameCode } = require('./name-code.js');
  const why = profiling === '1' ? nameCode() : `expected 0 or 1, got ${JSON.stringify(profiling)}`;
  if (why === null || !isMainThread) return;
  const message = `heap profiles do not name JavaScript functions here: ${why} (HEAPGAP_PROFILE=0 asks for none)`;
  process.emitWarning(message, { type: 'HeapgapWarning', code: 'HEAPGAP_PROFILE' });
}

// A service must not fail to start because of its allocator.
try {
  preload();
} catch (error) {
  require('./reexec.js').warn(error.message);
}
// A process that starts anew does not come here.
profile();
govern();
