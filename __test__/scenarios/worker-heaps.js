'use strict';

const { Worker } = require('node:worker_threads');
const { scenario } = require('../support/scenario.js');

const LEAK = `
const { parentPort } = require('node:worker_threads');
const kept = [];
parentPort.on('message', () => {
  kept.push(Array.from({ length: 5000 }, (_, index) => ({ index })));
  parentPort.postMessage('kept');
});`;

scenario(module, {
  cause: 'four worker threads whose heaps grow',
  verdict: 'js-heap',
  async load({ once, watched }) {
    const workers = Array.from({ length: 4 }, () => new Worker(LEAK, { eval: true }));
    const window = await watched(7000, async () => {
      for (const worker of workers) {
        worker.postMessage('work');
        await once(worker, 'message');
      }
    });
    return { workers, window };
  },
});
