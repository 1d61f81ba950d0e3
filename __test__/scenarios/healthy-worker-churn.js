'use strict';

const { Worker } = require('node:worker_threads');
const { scenario } = require('../support/scenario.js');

const WORK = 'Array.from({ length: 200_000 }, (_, index) => ({ index }));';

scenario(module, {
  cause: 'worker threads that come, work and go',
  verdict: 'healthy',
  async load({ once, watched }) {
    const work = () => once(new Worker(WORK, { eval: true }), 'exit');
    const window = await watched(7000, work, 20);
    return { window };
  },
});
