'use strict';

const zlib = require('node:zlib');
const { scenario } = require('../support/scenario.js');

scenario(module, {
  cause: 'jemalloc told never to give free pages back, and a burst',
  verdict: 'decay-not-running',
  allocators: ['jemalloc 5.3.0', 'jemalloc 5.3.1'],
  environment: { MALLOC_CONF: 'dirty_decay_ms:-1' },
  async load({ watched }) {
    const chunk = Buffer.alloc(64 * 1024, 'what is to be compressed ');
    const streams = Array.from({ length: 600 }, () => zlib.createDeflate());
    await Promise.all(streams.map((stream) => new Promise((done) => stream.write(chunk, done))));
    const survivors = streams.filter((_, index) => index % 30 === 29);
    for (const stream of streams) if (!survivors.includes(stream)) stream.close();
    return { survivors, window: await watched(1500, () => {}) };
  },
});
