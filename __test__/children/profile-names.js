'use strict';
// Allocates in two threads and prints which share of it a profile shows under the names of the functions that did.

const { once } = require('node:events');
const { Worker, isMainThread, parentPort } = require('node:worker_threads');
const zlib = require('node:zlib');
const { profiler } = require('../..');

const BYTES = 20_000_000;
const kept = [];

function hoardInMain() {
  for (let i = 0; i < 400; i++) kept.push(Buffer.allocUnsafeSlow(BYTES / 400));
}

function hoardInWorker() {
  for (let i = 0; i < 400; i++) kept.push(Buffer.allocUnsafeSlow(BYTES / 400));
}

/** Of a flame graph, what the widest frame of that name holds. */
function share(svg, name) {
  const found = [...svg.matchAll(new RegExp(`<title>${name} \\(.*?\\) \\(([\\d,]+) bytes`, 'g'))];
  const bytes = found.map(([, number]) => Number(number.replaceAll(',', '')));
  return Math.max(0, ...bytes) / BYTES;
}

/** What pprof's text says of names that are missing. */
function commentsIn(pprof) {
  const text = zlib.gunzipSync(pprof).toString('latin1');
  return /JavaScript functions have no names[^\0]*?profile`/.exec(text)?.[0] ?? '';
}

async function main() {
  await profiler.start({ sampleBytes: 16384 });
  hoardInMain();
  const worker = new Worker(__filename);
  await once(worker, 'message');
  const svg = (await profiler.dump({ format: 'flamegraph' })).toString();
  const comments = commentsIn(await profiler.dump({ format: 'pprof' }));
  await worker.terminate();
  const shares = { main: share(svg, 'hoardInMain'), worker: share(svg, 'hoardInWorker') };
  const hint = /start it with heapgap run --profile/.test(svg);
  process.stdout.write(JSON.stringify({ ...shares, comments, hint, held: kept.length }));
}

if (isMainThread) main();
else {
  hoardInWorker();
  parentPort.postMessage('ready');
  // Until it is terminated.
  parentPort.on('message', () => {});
}
