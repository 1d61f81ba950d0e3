'use strict';

const tls = require('node:tls');
const { scenario } = require('../support/scenario.js');

const ca = tls.rootCertificates.slice(0, 40);

scenario(module, {
  cause: 'a TLS context with certificates of its own made for each request, and kept',
  verdict: 'native-live',
  async load({ watched }) {
    const contexts = [];
    const window = await watched(7000, () => {
      for (let request = 0; request < 5; request++) contexts.push(tls.createSecureContext({ ca }));
    });
    return { contexts, window };
  },
});
