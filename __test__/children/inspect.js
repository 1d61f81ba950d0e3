'use strict';
// Holds what it is told to hold, inspects itself, and prints that beside what the kernel says.

const fs = require('node:fs');
const { Worker } = require('node:worker_threads');
const zlib = require('node:zlib');
const heapgap = require('../..');

const MIB = 1024 * 1024;
const held = [];
const immediate = () => new Promise((resolve) => setImmediate(resolve));

/** RSS of the mappings whose text matches, from smaps, read in another way than the addon does. */
function resident(matches) {
  const mappings = fs
    .readFileSync('/proc/self/smaps', 'latin1')
    .split(/\n(?=[0-9a-f]+-[0-9a-f]+ )/);
  const sizes = mappings.filter(matches).map((text) => Number(/^Rss:\s+(\d+)/m.exec(text)[1]));
  return sizes.reduce((sum, size) => sum + size * 1024, 0);
}

const WORKER = `
const { parentPort } = require('node:worker_threads');
const heap = Array.from({ length: 200_000 }, (_, index) => ({ index }));
const buffer = Buffer.alloc(20 * 1024 * 1024, 1);
parentPort.on('message', () => parentPort.postMessage(heap.length + buffer.length));
parentPort.postMessage('ready');
`;

const HOLD = {
  nothing() {},
  buffers() {
    for (let made = 0; made < 100; made++) held.push(Buffer.alloc(MIB, 1));
  },
  /** 150 MB, of which one block in eight stays: the rest of each page is pinned. */
  async survivors() {
    let blocks = [];
    for (let made = 0; made < 300_000; made++) blocks.push(Buffer.allocUnsafeSlow(500).fill(1));
    held.push(...blocks.filter((_, index) => index % 8 === 0));
    const full = heapgap.stats().allocated;
    blocks = null;
    while (full - heapgap.stats().allocated < 100e6) {
      globalThis.gc();
      await immediate();
    }
  },
  wasm() {
    const memory = new WebAssembly.Memory({ initial: 800 });
    new Uint8Array(memory.buffer).fill(1);
    held.push(memory);
  },
  /** 512 MiB that nobody writes to, and 300 times 256 KiB that V8 is not told of. */
  async untouched() {
    held.push(Buffer.allocUnsafeSlow(512 * MIB));
    for (let index = 0; index < 300; index += 1) {
      const stream = zlib.createDeflate({ memLevel: 9 });
      await new Promise((resolve) => stream.write(Buffer.alloc(1), resolve));
      held.push(stream);
    }
  },
  resizable() {
    const [own, shared] = [ArrayBuffer, SharedArrayBuffer].map(
      (Type) => new Type(25 * MIB, { maxByteLength: 100 * MIB }),
    );
    for (const buffer of [own, shared]) new Uint8Array(buffer).fill(1);
    held.push(own, shared);
  },
  async workers() {
    for (let started = 0; started < 3; started++) {
      const worker = new Worker(WORKER, { eval: true });
      held.push(worker);
      await new Promise((resolve) => worker.once('message', resolve));
    }
  },
};

async function main() {
  const before = await heapgap.inspect();
  await HOLD[process.argv[2]]();
  const after = await heapgap.inspect();
  const truth = {
    v8: resident((text) => /^VmFlags:.* dc/m.test(text)),
    rss: resident(() => true),
    mainStack: resident((text) => text.split('\n')[0].endsWith('[stack]')),
    fds: fs.readdirSync('/proc/self/fd').length - 1,
  };
  const purge = process.argv[3] === 'purge' ? await heapgap.purge() : null;
  process.stdout.write(JSON.stringify({ before, after, truth, purge }), () => process.exit());
}

main();
