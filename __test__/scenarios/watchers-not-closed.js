'use strict';

const fs = require('node:fs');
const { scenario } = require('../support/scenario.js');

scenario(module, {
  cause: 'files watched anew by each reload of a configuration',
  verdict: 'handles-growing',
  async load({ watched }) {
    const watchers = [];
    const window = await watched(7000, () => {
      for (let file = 0; file < 10; file++) watchers.push(fs.watch(__filename));
    });
    return { watchers, window };
  },
});
