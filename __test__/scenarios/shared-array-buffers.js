'use strict';

const { scenario } = require('../support/scenario.js');

scenario(module, {
  cause: 'SharedArrayBuffers that are kept',
  verdict: 'external-buffers',
  async load({ MIB, watched }) {
    const frames = [];
    const window = await watched(7000, () => {
      const frame = new SharedArrayBuffer(2 * MIB);
      new Uint8Array(frame).fill(1);
      frames.push(frame);
    });
    return { frames, window, known: { buffers: frames.length * 2 * MIB } };
  },
});
