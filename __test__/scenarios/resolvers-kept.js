'use strict';

const { Resolver } = require('node:dns');
const { scenario } = require('../support/scenario.js');

scenario(module, {
  cause: 'a dns.Resolver made for each request, and kept',
  verdict: 'native-live',
  async load({ watched }) {
    const resolvers = [];
    const window = await watched(4000, () => {
      for (let request = 0; request < 400; request++) resolvers.push(new Resolver());
    });
    return { resolvers, window };
  },
});
