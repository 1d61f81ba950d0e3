'use strict';

const { EVERY, scenario } = require('../support/scenario.js');

scenario(module, {
  cause: 'uploads kept as Buffers',
  allocators: EVERY,
  verdict: 'external-buffers',
  variants: { '': {}, 'one look, nobody watched': {} },
  async load({ MIB, buffers, variant, watched }) {
    if (variant !== '') return { uploads: buffers(200, MIB), known: { buffers: 200 * MIB } };
    const uploads = [];
    const window = await watched(7000, () => uploads.push(...buffers(40, 64 * 1024)));
    return { uploads, window, known: { buffers: uploads.length * 64 * 1024 } };
  },
});
