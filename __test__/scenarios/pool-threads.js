'use strict';

const { scrypt } = require('node:crypto');
const { promisify } = require('node:util');
const { scenario } = require('../support/scenario.js');

scenario(module, {
  cause: '128 threads in libuv’s pool, each of which allocates and frees',
  allocators: ['glibc', 'jemalloc 5.3.0', 'jemalloc 5.3.1'],
  environment: { UV_THREADPOOL_SIZE: '128' },
  verdict: { glibc: 'too-many-arenas', others: 'too-many-arenas' },
  variants: {
    '': {},
    'as on a host of 64 CPUs': {
      allocators: ['jemalloc 5.3.0', 'jemalloc 5.3.1'],
      environment: { UV_THREADPOOL_SIZE: '128', MALLOC_CONF: 'narenas:256' },
    },
  },
  async load({ watched }) {
    const derive = (N) => promisify(scrypt)('password', 'salt', 64, { N, r: 8, p: 1 });
    // The first block of a size goes to a mapping of its own in glibc; from then on to an arena.
    await derive(4096);
    for (let round = 0; round < 4; round++) {
      await Promise.all(Array.from({ length: 256 }, () => derive(1024)));
    }
    return { window: await watched(1000, () => {}) };
  },
});
