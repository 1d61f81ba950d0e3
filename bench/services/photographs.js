'use strict';
// Photographs of several sizes, for the images workload.

const path = require('node:path');

const sharp = require('sharp');

const SIZES = [
  [640, 480],
  [1024, 768],
  [1280, 960],
  [1600, 1200],
  [2048, 1536],
  [2592, 1944],
];

/** Writes them into `folder`: noise, softened, so that they compress about as photographs do. */
async function makePhotographs(folder) {
  for (const [width, height] of SIZES) {
    const noise = { type: 'gaussian', mean: 128, sigma: 40 };
    await sharp({ create: { width, height, channels: 3, background: '#000', noise } })
      .blur(2)
      .jpeg({ quality: 85 })
      .toFile(path.join(folder, `${width}.jpg`));
  }
}

module.exports = { makePhotographs };
