'use strict';
// Keeps a service busy, and asks it questions meanwhile.

const autocannon = require('autocannon');

/** Few: requests are to wait for the service, not in it. */
const CONNECTIONS = 4;
/** Longer than the load ever lasts: it is stopped. */
const ENDLESS_S = 3600;

/** The service's answer. */
async function ask(port, where) {
  const response = await fetch(`http://127.0.0.1:${port}${where}`);
  const body = await response.json();
  if (!response.ok)
    throw new Error(`${where} answered ${response.status}: ${JSON.stringify(body)}`);
  return body;
}

/** Keeps the service busy until it is stopped, which answers whether all went well. */
function load(port) {
  const url = `http://127.0.0.1:${port}/`;
  const cannon = autocannon({ url, connections: CONNECTIONS, duration: ENDLESS_S });
  return async () => {
    cannon.stop();
    const { errors, non2xx } = await cannon;
    if (errors + non2xx > 0) throw new Error(`${errors + non2xx} requests of the load failed`);
  };
}

module.exports = { ask, load };
