'use strict';
// What is served where uPlot is not installed.

const { once } = require('node:events');
const fs = require('node:fs');
const http = require('node:http');
const { Module } = require('node:module');
const path = require('node:path');

const resolve = Module._resolveFilename;
Module._resolveFilename = function resolveFilename(request, ...rest) {
  if (request !== 'uplot') return resolve.call(this, request, ...rest);
  throw Object.assign(new Error("Cannot find module 'uplot'"), { code: 'MODULE_NOT_FOUND' });
};

const OWN = fs
  .readdirSync(path.join(__dirname, '..', '..', 'dashboard'))
  .filter((name) => /\.(css|js|mjs|svg)$/.test(name));

async function main() {
  const server = http.createServer(require('heapgap').route()).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const base = `http://127.0.0.1:${server.address().port}/debug/memory`;
  const status = async (target) => (await fetch(base + target)).status;
  const all = (names) => Promise.all(names.map((name) => status(`/page/${name}`)));
  const found = {
    page: await status('?format=html'),
    json: await status(''),
    charts: await all(['uPlot.iife.min.js', 'uPlot.min.css']),
    own: await all(OWN),
  };
  console.log(JSON.stringify(found));
  process.exit();
}

main();
