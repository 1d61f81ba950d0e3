'use strict';

const { scenario } = require('../support/scenario.js');

scenario(module, {
  cause: 'an interval started by each request and never cleared',
  verdict: 'handles-growing',
  async load({ watched }) {
    const timers = [];
    const window = await watched(7000, () => {
      for (let request = 0; request < 20; request++) timers.push(setInterval(() => {}, 60_000));
    });
    return { timers, window };
  },
});
