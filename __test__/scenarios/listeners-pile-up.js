'use strict';

const { EventEmitter } = require('node:events');
const { scenario } = require('../support/scenario.js');

scenario(module, {
  cause: 'a listener added by each request, removed by none',
  verdict: 'js-heap',
  async load({ watched }) {
    const bus = new EventEmitter().setMaxListeners(0);
    const window = await watched(7000, (round) => {
      for (let request = 0; request < 100; request++) {
        const rows = Array.from({ length: 500 }, (_, row) => `row ${round}-${request}-${row}`);
        bus.on('changed', () => rows.length);
      }
    });
    return { bus, window };
  },
});
