'use strict';

const zlib = require('node:zlib');
const { EVERY, scenario } = require('../support/scenario.js');

const CHUNK = Buffer.from(
  Array.from({ length: 2000 }, (_, row) => `${row},${row * 7919}\n`).join(''),
);

scenario(module, {
  cause: 'deflate streams left half way, never closed',
  allocators: EVERY,
  verdict: {
    // It does not say what it has handed out and what it keeps.
    mimalloc: ['insufficient-data', 'native-live'],
    others: 'native-live',
  },
  async load({ watched }) {
    const streams = [];
    const window = await watched(7000, async () => {
      for (let request = 0; request < 8; request++) {
        const stream = zlib.createDeflate();
        await new Promise((resolve) => stream.write(CHUNK, resolve));
        streams.push(stream);
      }
    });
    return { streams, window };
  },
});
