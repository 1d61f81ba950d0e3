'use strict';

const { scenario } = require('../support/scenario.js');

scenario(module, {
  cause: 'huge pages under memory of which little is touched',
  verdict: 'huge-pages',
  allocators: ['glibc', 'jemalloc 5.3.0', 'jemalloc 5.3.1'],
  variants: {
    // glibc(7), tunables: MADV_HUGEPAGE for what malloc maps.
    '': {
      allocators: ['glibc'],
      environment: { GLIBC_TUNABLES: 'glibc.malloc.hugetlb=1' },
    },
    'thp:always': {
      allocators: ['jemalloc 5.3.0', 'jemalloc 5.3.1'],
      environment: { MALLOC_CONF: 'thp:always' },
    },
  },
  async load({ MIB, watched }) {
    const tables = Array.from({ length: 60 }, () => Buffer.allocUnsafeSlow(4 * MIB));
    for (const table of tables) {
      for (let offset = 0; offset < table.length; offset += MIB) table[offset] = 1;
    }
    return { tables, window: await watched(1000, () => {}) };
  },
});
