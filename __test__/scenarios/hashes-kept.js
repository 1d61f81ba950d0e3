'use strict';

const { createCipheriv } = require('node:crypto');
const { scenario } = require('../support/scenario.js');

const KEY = Buffer.alloc(32, 1);
const IV = Buffer.alloc(16, 2);

scenario(module, {
  cause: 'ciphers begun, never finished, and kept',
  verdict: 'native-live',
  async load({ watched }) {
    const ciphers = [];
    const window = await watched(7000, () => {
      for (let count = 0; count < 1000; count++)
        ciphers.push(createCipheriv('aes-256-gcm', KEY, IV));
    });
    return { ciphers, window };
  },
});
