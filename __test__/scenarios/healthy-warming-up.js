'use strict';

const { scenario } = require('../support/scenario.js');

const CAPACITY = 12_000;
const KEYS = 20_000;

/** The least recently used goes first: a Map keeps the order of insertion. */
function lookUp(cache, key) {
  const value = cache.get(key) ?? Array.from({ length: 100 }, (_, index) => key + index * 1.5);
  cache.delete(key);
  cache.set(key, value);
  if (cache.size > CAPACITY) cache.delete(cache.keys().next().value);
}

scenario(module, {
  cause: 'a cache of limited size that fills while the service warms up',
  verdict: 'healthy',
  variants: {
    'full by now': {},
    // A second is too short to tell warming up from a leak, and an expert would say so.
    'still filling': { verdict: ['healthy', 'insufficient-data'] },
  },
  async load({ variant, watched }) {
    const cache = new Map();
    let seed = 1;
    const duration = variant === 'still filling' ? 1000 : 8000;
    const window = await watched(duration, () => {
      for (let request = 0; request < 1000; request++) {
        seed = (seed * 48_271) % 2_147_483_647;
        lookUp(cache, seed % KEYS);
      }
    });
    return { cache, window };
  },
});
