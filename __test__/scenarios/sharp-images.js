'use strict';

const sharp = require('sharp');
const { scenario } = require('../support/scenario.js');

const create = { width: 1600, height: 1200, channels: 3, background: '#369' };

scenario(module, {
  cause: 'decoded images of sharp that are kept',
  // sharp gives its pixels to JavaScript as Buffers.
  verdict: 'external-buffers',
  async load({ watched }) {
    const images = [];
    const window = await watched(4000, async () => {
      images.push(await sharp({ create }).raw().toBuffer());
    });
    return { images, window };
  },
});
