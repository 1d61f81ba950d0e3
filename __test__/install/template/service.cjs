'use strict';
// An Express service with the memory route, whose memory can be filled and dropped over HTTP.

const express = require('express');
const heapgap = require('heapgap');

const MIB = 1024 * 1024;
/** Below glibc's mmap threshold: a block of its own would go back to the kernel at once. */
const SIZE = MIB / 16;
/** One block in so many lives on, so that no allocator can give all back by itself. */
const KEEP_EACH = 32;

const kept = [];
let held = [];

function hold(megabytes) {
  for (let i = 0; i < (megabytes * MIB) / SIZE; i++) {
    (i % KEEP_EACH === 0 ? kept : held).push(Buffer.allocUnsafeSlow(SIZE).fill(1));
  }
}

/** V8 frees the memory of dead Buffers on another thread: collects until it has. */
async function drop() {
  held = [];
  for (let tries = 0; process.memoryUsage().arrayBuffers > 2 * kept.length * SIZE; tries++) {
    if (tries === 1000) throw new Error('V8 did not free the Buffers');
    globalThis.gc();
    await new Promise((resolve) => setImmediate(resolve));
  }
}

const app = express();
app.use('/debug/memory', heapgap.route());
app.get('/work', (_req, res) => {
  res.json({ text: Buffer.alloc(SIZE, 'work').toString('base64') });
});
app.post('/hold/:megabytes', (req, res) => {
  hold(Number(req.params.megabytes));
  res.sendStatus(204);
});
app.post('/drop', async (_req, res) => {
  await drop();
  res.sendStatus(204);
});

const server = app.listen(0, '127.0.0.1', () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}`);
});
