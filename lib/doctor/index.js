'use strict';
// doctor(): checks what it is asked, and has another thread look.

const v8 = require('node:v8');
const { Worker } = require('node:worker_threads');

const { couldNotLook, invalidArg } = require('../errors.js');
const { MAX_MS, readOptions } = require('../options.js');

const isWord = (word) => typeof word === 'string' && !word.includes('\0');

const OPTIONS = {
  pid: {
    default: undefined,
    check: (value) => Number.isSafeInteger(value) && value > 0,
    expected: 'a positive integer number',
  },
  command: {
    default: undefined,
    check: (value) =>
      Array.isArray(value) && value.length > 0 && value.every(isWord) && value[0] !== '',
    expected: 'an array of strings, the program first',
  },
  timeoutMs: {
    default: undefined,
    check: (value) => Number.isFinite(value) && value > 0 && value <= MAX_MS,
    expected: `a positive number up to ${MAX_MS}`,
  },
};

/**
 * Looking takes a few MB. Nothing that the service has preloaded runs in the thread, but for what lets it
 * find our files in Yarn's archives (Plug'n'Play).
 */
const thread = () => ({
  name: 'heapgap doctor',
  resourceLimits: { maxOldGenerationSizeMb: 64, maxYoungGenerationSizeMb: 4 },
  execArgv: process.versions.pnp ? ['--require', require.resolve('pnpapi')] : [],
  env: {},
});

/** No thread may be had: by --permission, by a limit of the container, or where it finds no files. */
const NO_THREAD = ['ERR_ACCESS_DENIED', 'ERR_WORKER_INIT_FAILED', 'MODULE_NOT_FOUND'];

/** The promise keeps the process alive until it settles, as that of any file read does. */
function examineInThread(asked) {
  return new Promise((resolve, reject) => {
    const worker = new Worker(require.resolve('./thread.js'), { ...thread(), workerData: asked });
    worker.once('message', ({ report, failure }) =>
      report ? resolve(report) : reject(Object.assign(new Error(failure.message), failure)),
    );
    worker.once('error', reject);
    worker.once('exit', () => reject(couldNotLook('the thread that looks was ended')));
  });
}

/** Only loaded where it runs: it is many files. */
const examineHere = (asked) => require('./examine.js').examine(asked);

/** A process that has just started shows nothing of what it will need. */
const SETTLED_S = 60;

/** V8's limit, and what this process has beside V8's heap: in a thread they would be the thread's. */
function ownHeap() {
  const { heap_size_limit: heapLimit, total_physical_size: heap } = v8.getHeapStatistics();
  const beside = process.uptime() > SETTLED_S ? process.memoryUsage.rss() - heap : null;
  return { heapLimit, beside };
}

async function doctor(options) {
  const { pid, command, timeoutMs } = readOptions(OPTIONS, options, 'doctor');
  if (pid !== undefined && command !== undefined) {
    throw invalidArg('command', 'left out where `pid` is given', command);
  }
  // What a command started is cleaned up when the process exits, which a thread may not live to see.
  if (command !== undefined) return examineHere({ command, timeoutMs });
  const asked = { pid, heap: ownHeap() };
  try {
    return await examineInThread(asked);
  } catch (error) {
    if (NO_THREAD.includes(error.code)) return examineHere(asked);
    throw error;
  }
}

module.exports = { doctor };
