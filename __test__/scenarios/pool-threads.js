'use strict';

const { scrypt } = require('node:crypto');
const { promisify } = require('node:util');
const { scenario } = require('../support/scenario.js');

scenario(module, {
  cause: '128 threads in libuv’s pool, each of which allocates and frees',
  allocators: ['glibc', 'jemalloc 5.3.0', 'jemalloc 5.3.1'],
  environment: { UV_THREADPOOL_SIZE: '128' },
  verdict: {
    // 16 arenas, and glibc trims none of them but the main one by itself.
    glibc: 'too-many-arenas',
    // Its eight arenas are what two CPUs should have: what they keep was freed just now.
    'jemalloc 5.3.0': 'retention',
    // Background threads give it back: some seconds after the load, whatever dirty_decay_ms is.
    'jemalloc 5.3.1': 'healthy',
  },
  variants: {
    '': {},
    'as on a host of 64 CPUs': {
      allocators: ['jemalloc 5.3.0', 'jemalloc 5.3.1'],
      verdict: 'too-many-arenas',
      environment: { UV_THREADPOOL_SIZE: '128', MALLOC_CONF: 'narenas:256' },
    },
  },
  async load({ MIB, stats, until, watched }) {
    const derive = (N) => promisify(scrypt)('password', 'salt', 64, { N, r: 8, p: 1 });
    // The first block of a size goes to a mapping of its own in glibc; from then on to an arena.
    await derive(4096);
    for (let round = 0; round < 4; round++) {
      await Promise.all(Array.from({ length: 256 }, () => derive(1024)));
    }
    const isIdle = () => !(stats().backgroundThreads > 0) || stats().dirty < 8 * MIB;
    await until(isIdle, 'the end of the decay');
    return { window: await watched(1000, () => {}) };
  },
});
