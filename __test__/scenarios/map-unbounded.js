'use strict';

const { EVERY, scenario } = require('../support/scenario.js');

scenario(module, {
  cause: 'a Map of sessions that nobody deletes from',
  allocators: EVERY,
  verdict: 'js-heap',
  async load({ watched }) {
    const sessions = new Map();
    const window = await watched(7000, () => {
      for (let request = 0; request < 900; request++) {
        const id = sessions.size;
        const cart = Array.from({ length: 40 }, (_, item) => ({ item, price: id + item }));
        sessions.set(`session-${id}`, { id, cart });
      }
    });
    return { sessions, window };
  },
});
