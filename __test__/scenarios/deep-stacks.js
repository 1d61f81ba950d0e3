'use strict';

const { Worker } = require('node:worker_threads');
const { EVERY, scenario } = require('../support/scenario.js');

const RECURSION = `
const deeper = (depth) => (depth === 0 ? 0 : 1 + deeper(depth - 1));
let depth = 1000;
try {
  for (;;) depth = deeper(depth) * 2;
} catch (error) {
  require('node:worker_threads').parentPort.postMessage(error.name);
  setInterval(() => {}, 1000);
}`;

scenario(module, {
  cause: 'a worker thread that has been deep in a recursion, on a stack of 200 MB',
  allocators: EVERY,
  verdict: 'stacks',
  async load({ once, watched }) {
    const worker = new Worker(RECURSION, { eval: true, resourceLimits: { stackSizeMb: 200 } });
    const [error] = await once(worker, 'message');
    if (error !== 'RangeError') throw new Error(`the recursion ended with ${error}`);
    return { worker, window: await watched(1000, () => {}) };
  },
});
