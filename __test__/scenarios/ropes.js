'use strict';

const { scenario } = require('../support/scenario.js');

scenario(module, {
  cause: 'a log that is one string, and to which lines are added',
  verdict: 'js-heap',
  async load({ watched }) {
    const log = { text: '' };
    const window = await watched(7000, (round) => {
      for (let line = 0; line < 9000; line++) {
        log.text += `${round}:${line} GET /orders/${line} 200 in ${line % 97} ms\n`;
      }
    });
    return { log, window };
  },
});
