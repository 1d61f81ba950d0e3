'use strict';

const { EVERY, scenario } = require('../support/scenario.js');

scenario(module, {
  cause: 'a large cache that stays as it is, and traffic that reads it',
  allocators: EVERY,
  verdict: 'healthy',
  async load({ watched }) {
    const cache = new Map();
    for (let key = 0; key < 100_000; key++) {
      cache.set(key, { name: `entry ${key}`, values: Array.from({ length: 100 }, () => key / 7) });
    }
    const window = await watched(7000, (round) => {
      const wanted = Array.from(
        { length: 2000 },
        (_, index) => (round * 2000 + index) % cache.size,
      );
      return JSON.stringify(wanted.map((key) => cache.get(key))).length;
    });
    return { cache, window };
  },
});
