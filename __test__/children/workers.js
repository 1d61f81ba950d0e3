'use strict';
// Starts and ends workers that use heapgap, some of them in the middle of a purge, and prints how
// many file descriptors and threads that left behind.

const fs = require('node:fs');
const { Worker, isMainThread, parentPort, workerData } = require('node:worker_threads');

const ROUNDS = 10;
const AT_ONCE = 5;

async function useIt() {
  const heapgap = require('heapgap');
  const { allocated } = heapgap.stats();
  const snapshot = heapgap.snapshot();
  const purging = heapgap.purge();
  if (workerData.terminate) {
    parentPort.postMessage('purging');
    return;
  }
  const { rssAfter } = await purging;
  parentPort.postMessage({ allocated, rss: snapshot.process.rss, rssAfter });
}

function ended(terminate) {
  return new Promise((resolve, reject) => {
    const worker = new Worker(__filename, { workerData: { terminate } });
    const messages = [];
    worker.on('message', (message) => {
      messages.push(message);
      if (terminate) worker.terminate();
    });
    worker.on('error', reject);
    worker.on('exit', () => resolve(messages[0]));
  });
}

const openFiles = () => fs.readdirSync('/proc/self/fd').length;
const threads = () => fs.readdirSync('/proc/self/task');

/** The name of a thread; '' where it has ended meanwhile. */
function nameOf(thread) {
  try {
    return fs.readFileSync(`/proc/self/task/${thread}/comm`, 'utf8');
  } catch {
    return '';
  }
}

const isPurging = () => threads().some((thread) => nameOf(thread).startsWith('heapgap'));

/** A purge that a worker left under way has a thread of its own, with files open, which ends by itself. */
async function settled() {
  const deadline = performance.now() + 10_000;
  while (isPurging() && performance.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

async function main() {
  const results = [];
  const files = [];
  const before = threads().length;
  for (let round = 0; round < ROUNDS; round++) {
    const workers = Array.from({ length: AT_ONCE }, (_, index) => ended(index % 2 === 1));
    results.push(...(await Promise.all(workers)));
    await settled();
    files.push(openFiles());
  }
  process.stdout.write(JSON.stringify({ results, files, threads: [before, threads().length] }));
}

if (isMainThread) main();
else useIt();
