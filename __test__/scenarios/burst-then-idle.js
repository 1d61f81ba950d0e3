'use strict';

const zlib = require('node:zlib');
const { scenario } = require('../support/scenario.js');

scenario(module, {
  cause: 'a burst of 600 deflate streams, of which 20 go on, and then nothing',
  verdict: 'retention',
  allocators: ['glibc', 'jemalloc 5.3.0', 'jemalloc 5.3.1', 'tcmalloc'],
  variants: {
    // jemalloc's own settings: no background thread, and ten seconds until pages are given back.
    '': { environment: { MALLOC_CONF: '' } },
    'heapgap’s settings, when the decay is over': {
      allocators: ['jemalloc 5.3.0', 'jemalloc 5.3.1'],
      verdict: 'healthy',
      environment: { MALLOC_CONF: 'background_thread:true,dirty_decay_ms:1000' },
    },
  },
  async load({ MIB, stats, until, variant, watched }) {
    const chunk = Buffer.alloc(64 * 1024, 'what is to be compressed ');
    const streams = Array.from({ length: 600 }, () => zlib.createDeflate());
    await Promise.all(streams.map((stream) => new Promise((done) => stream.write(chunk, done))));
    // As after any burst, some go on, all over the heap: glibc gives nothing back below them.
    const survivors = streams.filter((_, index) => index % 30 === 29);
    for (const stream of streams) if (!survivors.includes(stream)) stream.close();
    if (variant !== '') await until(() => stats().dirty < 8 * MIB, 'the end of the decay');
    return { survivors, window: await watched(1500, () => {}) };
  },
});
