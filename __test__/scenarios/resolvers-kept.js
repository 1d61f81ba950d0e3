'use strict';

const { Resolver } = require('node:dns');
const { scenario } = require('../support/scenario.js');

scenario(module, {
  cause: 'a dns.Resolver made for each request, and kept',
  verdict: 'native-live',
  async load({ watched }) {
    const resolvers = [];
    const window = await watched(7000, () => {
      for (let request = 0; request < 300; request++) resolvers.push(new Resolver());
    });
    return { resolvers, window };
  },
});
