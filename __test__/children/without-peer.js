'use strict';
// What heapgap says where a package is missing: arguments are its name, and what of heapgap needs it.

const { once } = require('node:events');
const http = require('node:http');
const { Module } = require('node:module');

const [missing, asked] = process.argv.slice(2);

const resolve = Module._resolveFilename;
Module._resolveFilename = function resolveFilename(request, ...rest) {
  if (request !== missing) return resolve.call(this, request, ...rest);
  throw Object.assign(new Error(`Cannot find module '${request}'`), { code: 'MODULE_NOT_FOUND' });
};

function errorOf(call) {
  try {
    call();
    return {};
  } catch ({ code, message }) {
    return { code, message };
  }
}

async function main() {
  const found = errorOf(() => require(asked).collectMetrics());
  const server = http.createServer(require('heapgap').route()).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  const response = await fetch(`http://127.0.0.1:${port}/debug/memory/metrics`);
  const body = response.ok ? null : await response.json();
  console.log(JSON.stringify({ ...found, status: response.status, body }));
  process.exit();
}

main();
