'use strict';
// Makes thumbnails: reads a photograph, resizes it to three widths, and keeps some of the results. Its argument is
// the folder of the photographs (photographs.js).

const fs = require('node:fs/promises');
const path = require('node:path');

const sharp = require('sharp');

const { hash, numberOf } = require('./chance.js');

const WIDTHS = [960, 480, 160];
const CACHED = 800;

const cache = new Map();

async function answer(files, request, response) {
  const number = numberOf(request);
  const photograph = await fs.readFile(files[hash(number) % files.length]);
  const made = await Promise.all(
    WIDTHS.map((width) => sharp(photograph).resize({ width }).jpeg({ quality: 75 }).toBuffer()),
  );
  cache.set(hash(number * 13) % CACHED, made[1]);
  response.writeHead(200, { 'content-type': 'image/jpeg' });
  response.end(made[0]);
}

module.exports = {
  async start(folder) {
    const files = (await fs.readdir(folder)).map((name) => path.join(folder, name));
    return (request, response) => answer(files, request, response);
  },
};
