'use strict';

const { scenario } = require('../support/scenario.js');

const SIZE = 1024;

scenario(module, {
  cause: 'a burst of blocks of 1 KiB, of which one in each page lives on',
  verdict: 'pinned-fragmentation',
  async load({ MIB, collected, watched }) {
    const count = (160 * MIB) / SIZE;
    let blocks = Array.from({ length: count }, () => Buffer.allocUnsafeSlow(SIZE).fill(1));
    const survivors = blocks.filter((_, index) => index % 4 === 0);
    blocks = null;
    await collected(survivors.length * SIZE + 4 * MIB);
    return { survivors, known: { pinned: 120 * MIB }, window: await watched(1500, () => {}) };
  },
});
