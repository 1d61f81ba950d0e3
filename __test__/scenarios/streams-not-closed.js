'use strict';

const fs = require('node:fs');
const { scenario } = require('../support/scenario.js');

scenario(module, {
  cause: 'files opened as streams and neither read to their end nor destroyed',
  verdict: 'handles-growing',
  async load({ once, watched }) {
    const streams = [];
    const window = await watched(7000, async () => {
      for (let request = 0; request < 5; request++) {
        const stream = fs.createReadStream(__filename);
        await once(stream, 'open');
        streams.push(stream);
      }
    });
    return { streams, window };
  },
});
