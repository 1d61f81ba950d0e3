'use strict';

const { scenario } = require('../support/scenario.js');

scenario(module, {
  cause: 'a token of 16 bytes kept of each message, and with it the whole message',
  verdict: 'external-buffers',
  async load({ watched }) {
    const tokens = new Set();
    const window = await watched(7000, () => {
      for (let message = 0; message < 60; message++) {
        tokens.add(Buffer.alloc(32 * 1024, message).subarray(0, 16));
      }
    });
    return { tokens, window, known: { buffers: tokens.size * 32 * 1024 } };
  },
});
