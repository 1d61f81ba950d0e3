'use strict';

const { AsyncLocalStorage, AsyncResource } = require('node:async_hooks');
const { scenario } = require('../support/scenario.js');

scenario(module, {
  cause: 'callbacks bound to their request, and through AsyncLocalStorage to all that it held',
  verdict: 'js-heap',
  async load({ watched }) {
    const storage = new AsyncLocalStorage();
    const callbacks = [];
    const window = await watched(7000, (round) => {
      for (let request = 0; request < 60; request++) {
        const rows = Array.from({ length: 500 }, (_, row) => ({ row, round }));
        storage.run({ rows }, () => callbacks.push(AsyncResource.bind(() => storage.getStore())));
      }
    });
    return { callbacks, window };
  },
});
