'use strict';

const { scenario } = require('../support/scenario.js');

scenario(module, {
  cause: 'large JSON documents parsed and dropped again and again',
  verdict: 'healthy',
  async load({ watched }) {
    const rows = Array.from({ length: 20_000 }, (_, id) => ({
      id,
      name: `row ${id}`,
      tags: ['a', 'b'],
    }));
    const document = JSON.stringify(rows);
    return { window: await watched(7000, () => JSON.parse(document).length) };
  },
});
