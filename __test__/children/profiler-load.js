'use strict';
// All kinds of code at once, with samples as dense as they can be, while the profiler is started, read and stopped and
// worker threads come and go. Prints how much of it there was.

const crypto = require('node:crypto');
const fs = require('node:fs');
const { promisify } = require('node:util');
const { Worker, isMainThread } = require('node:worker_threads');
const zlib = require('node:zlib');

const { profiler } = require('../..');

const SECONDS = Number(process.argv[2] ?? 3);

/** (module (func (export "grow") (param i32) (result i32) local.get 0 memory.grow) (memory (export "m") 1)) */
const WASM = Uint8Array.from([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 6, 1, 96, 1, 127, 1, 127, 3, 2, 1, 0, 5, 3, 1, 0, 1, 7, 12, 2, 4,
  103, 114, 111, 119, 0, 0, 1, 109, 2, 0, 10, 8, 1, 6, 0, 32, 0, 64, 0, 11,
]);

function recurse(depth) {
  return depth === 0 ? Buffer.allocUnsafeSlow(5000).length : recurse(depth - 1) + 1;
}

function* generate() {
  for (let size = 1000; size < 20_000; size += 1000) yield Buffer.allocUnsafeSlow(size);
}

class Thing {
  #buffer = Buffer.alloc(3000);
  get size() {
    return this.#buffer.length;
  }
}

/** Each allocates native memory below another kind of frame. */
const KINDS = [
  () => recurse(300),
  () => [...generate()].length,
  () => Array.from({ length: 50 }, () => new Thing()).reduce((sum, { size }) => sum + size, 0),
  () => JSON.parse(JSON.stringify({ text: 'x'.repeat(10_000), list: Array(500).fill('y') })),
  () => 'abc'.repeat(5000).replace(/b(c)/g, (_, c) => c + Buffer.alloc(100).length),
  () => new Function('size', 'return Buffer.allocUnsafeSlow(size)')(4000 + Math.random()),
  () => new WebAssembly.Instance(new WebAssembly.Module(WASM)).exports.grow(1),
  () => structuredClone({ buffer: new ArrayBuffer(10_000) }),
  () => [3, 1, 2].sort((a, b) => Buffer.allocUnsafeSlow(2000 + a - b).length - 2000),
  () => crypto.createHash('sha256').update(Buffer.alloc(5000)).digest(),
  () => {
    try {
      throw new Error('x'.repeat(100), { cause: Buffer.allocUnsafeSlow(3000) });
    } catch (error) {
      return error.stack.length;
    }
  },
  () => promisify(zlib.deflate)(Buffer.alloc(50_000)),
  () => promisify(crypto.pbkdf2)('a', 'b', 10, 512, 'sha512'),
  () => fs.promises.readFile(__filename),
  async () => {
    for await (const chunk of fs.createReadStream(__filename)) if (!chunk.length) return 0;
    return 1;
  },
];

async function work(until) {
  let rounds = 0;
  while (performance.now() < until) {
    for (const kind of KINDS) await kind();
    rounds += 1;
  }
  return rounds;
}

/** A worker that ends by itself, or in the middle of what it does. */
function worker(isCut) {
  return new Promise((resolve, reject) => {
    const thread = new Worker(__filename, { argv: ['0.2'] });
    thread.on('error', reject);
    thread.on('exit', resolve);
    if (isCut) thread.on('online', () => setImmediate(() => thread.terminate()));
  });
}

async function workers(until) {
  let count = 0;
  while (performance.now() < until) {
    await Promise.all([worker(false), worker(true), worker(true)]);
    count += 3;
  }
  return count;
}

async function profile(until) {
  let count = 0;
  while (performance.now() < until) {
    const { notes } = await profiler.start({ sampleBytes: 1024 });
    if (notes.length > 0) throw new Error(notes[0].reason);
    for (let dumps = 0; dumps < 3; dumps++) {
      const text = await profiler.dump({ format: 'jeheap' });
      if (!text.includes('MAPPED_LIBRARIES')) throw new Error('a dump was cut short');
    }
    if (count % 2 === 1) await profiler.reset();
    await profiler.stop();
    count += 1;
  }
  return count;
}

async function main() {
  const until = performance.now() + SECONDS * 1000;
  const [rounds, threads, profiles] = await Promise.all([
    work(until),
    workers(until),
    profile(until),
  ]);
  process.stdout.write(JSON.stringify({ rounds, threads, profiles }));
}

if (isMainThread) main();
else work(performance.now() + SECONDS * 1000);
