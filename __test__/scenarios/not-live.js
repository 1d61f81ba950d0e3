'use strict';

const { scenario } = require('../support/scenario.js');

scenario(module, {
  cause: 'jemalloc is what the environment promises, and another allocator serves',
  verdict: 'not-live',
  allocators: ['glibc', 'mimalloc', 'tcmalloc'],
  variants: {
    'MALLOC_CONF is set, LD_PRELOAD is not': {
      allocators: ['glibc'],
      environment: { MALLOC_CONF: 'background_thread:true' },
    },
    'jemalloc comes second in LD_PRELOAD': {
      allocators: ['mimalloc', 'tcmalloc'],
      alsoPreload: ['jemalloc 5.3.0'],
    },
  },
  async load({ watched }) {
    return { window: await watched(1000, () => {}) };
  },
});
