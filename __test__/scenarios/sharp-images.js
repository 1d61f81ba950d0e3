'use strict';

const sharp = require('sharp');
const { scenario } = require('../support/scenario.js');

const create = { width: 1000, height: 800, channels: 3, background: '#369' };

scenario(module, {
  cause: 'decoded images of sharp that are kept',
  // sharp gives its pixels to JavaScript as Buffers.
  verdict: 'external-buffers',
  async load({ watched }) {
    const images = [];
    const window = await watched(7000, async () => {
      images.push(await sharp({ create }).raw().toBuffer());
    });
    return { images, window };
  },
});
