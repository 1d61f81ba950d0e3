'use strict';
// The isolates of worker threads. Node.js has no list of them: each that this thread starts is announced
// by the process's event 'worker'.

/** The next turn of the event loop. */
const turn = () => new Promise((resolve) => setImmediate(resolve));

/** Weak, so that a worker that has ended can be collected. */
const seen = new Set();

/** So many are kept until those that have ended are looked for. */
let enough = 64;

process.on('worker', (worker) => {
  seen.add(new WeakRef(worker));
  if (seen.size > enough) enough = 64 + 2 * runningWorkers().length;
});

/** Those that run, of those that this thread has started since heapgap was loaded. */
function runningWorkers() {
  const workers = [];
  for (const reference of seen) {
    const worker = reference.deref();
    // The id of a worker that has ended is -1; one that is starting has its own already.
    if (worker === undefined || worker.threadId === -1) seen.delete(reference);
    else workers.push(worker);
  }
  return workers;
}

/** For how long a worker is waited for that is busy in native code, or waits for a lock. */
const PATIENCE_MS = 250;

/** One worker's figures; `null` where it does not answer. */
async function read(worker) {
  // Loaded when first asked: requiring heapgap must not slow down a service's start.
  const { withPatience } = require('./promises.js');
  // The id is gone once the worker has ended.
  const { threadId } = worker;
  const heap = await withPatience(worker.getHeapStatistics(), PATIENCE_MS, null);
  if (heap === null) return null;
  return {
    threadId,
    heapPhysical: heap.total_physical_size,
    heapUsed: heap.used_heap_size,
    heapTotal: heap.total_heap_size,
    external: heap.external_memory,
  };
}

/**
 * The workers that answered, or `null` where this Node.js cannot ask, and how many isolates there are
 * beside this thread's.
 */
async function readIsolates() {
  const running = runningWorkers();
  const { isMainThread, Worker } = require('node:worker_threads');
  // From inside a worker thread, the main thread's isolate is another one that cannot be asked.
  const others = running.length + (isMainThread ? 0 : 1);
  if (typeof Worker.prototype.getHeapStatistics !== 'function') return { workers: null, others };
  const answers = await Promise.all(await ask(running));
  return { workers: answers.filter((answer) => answer !== null), others };
}

/** Asking a worker takes some 60 µs of this thread: many are not asked in one turn of the event loop. */
const AT_ONCE = 8;

/** Promises of their answers. */
async function ask(workers) {
  const answers = [];
  for (const worker of workers) {
    if (answers.length > 0 && answers.length % AT_ONCE === 0) await turn();
    answers.push(read(worker));
  }
  return answers;
}

module.exports = { readIsolates };
