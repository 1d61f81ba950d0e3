'use strict';

const { EVERY, scenario } = require('../support/scenario.js');

scenario(module, {
  cause: 'a cache that is as large as it should be, in a container that is too small for it',
  allocators: EVERY,
  verdict: 'limit-too-tight',
  memory: 256 * 2 ** 20,
  async load({ MIB, buffers, snapshot, watched }) {
    const cache = [];
    // Until a tenth of the limit is left.
    while (snapshot().cgroup.unreclaimable < 0.9 * 256 * MIB) cache.push(...buffers(1, 128 * 1024));
    return { cache, window: await watched(7000, () => {}) };
  },
});
