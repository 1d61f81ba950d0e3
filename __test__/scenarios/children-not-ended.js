'use strict';

const { spawn } = require('node:child_process');
const { scenario } = require('../support/scenario.js');

scenario(module, {
  cause: 'child processes whose standard input nobody closes',
  verdict: 'handles-growing',
  async load({ once, watched }) {
    const children = [];
    const window = await watched(7000, async () => {
      const child = spawn('cat', { stdio: ['pipe', 'pipe', 'ignore'] });
      await once(child, 'spawn');
      children.push(child);
    });
    return { children, window };
  },
});
