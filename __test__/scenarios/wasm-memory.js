'use strict';

const { scenario } = require('../support/scenario.js');

const PAGE = 64 * 1024;

scenario(module, {
  cause: 'a WebAssembly memory that grows',
  verdict: 'external-buffers',
  async load({ watched }) {
    const memory = new WebAssembly.Memory({ initial: 1, maximum: 16_384 });
    const window = await watched(7000, () => {
      const before = memory.grow(40);
      new Uint8Array(memory.buffer, before * PAGE).fill(1);
    });
    return { memory, window, known: { buffers: memory.buffer.byteLength } };
  },
});
