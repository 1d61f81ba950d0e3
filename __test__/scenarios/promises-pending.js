'use strict';

const { scenario } = require('../support/scenario.js');

scenario(module, {
  cause: 'requests that wait for a Promise that never settles',
  verdict: 'js-heap',
  async load({ watched }) {
    const lock = new Promise(() => {});
    async function request(id) {
      const rows = Array.from({ length: 400 }, (_, row) => ({ row, id }));
      await lock;
      return rows;
    }
    const window = await watched(7000, (round) => {
      for (let count = 0; count < 100; count++) request(round * 150 + count);
    });
    return { lock, window };
  },
});
