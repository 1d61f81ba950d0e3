'use strict';

const vm = require('node:vm');
const { scenario } = require('../support/scenario.js');

scenario(module, {
  cause: 'a vm context made for each template, none dropped',
  verdict: 'js-heap',
  async load({ watched }) {
    const contexts = [];
    const window = await watched(7000, (round) => {
      for (let template = 0; template < 6; template++) {
        const context = vm.createContext({ round });
        vm.runInContext(
          'result = Array.from({ length: 1000 }, (_, index) => round + index / 7)',
          context,
        );
        contexts.push(context);
      }
    });
    return { contexts, window };
  },
});
