'use strict';
// Asks for the route each time it is told to, and says what status it got. Its argument is the route's address. In a
// process of its own: what the one who looks does is no cost of the service, nor may it hold up the load.

const http = require('node:http');

const [address] = process.argv.slice(2);
const agent = new http.Agent({ keepAlive: true });

/** An answer that takes longer ends this process, which the one who waits hears of. */
const TIMEOUT_MS = 30_000;

process.on('message', () => {
  const request = http.get(address, { agent, timeout: TIMEOUT_MS }, (response) => {
    response.resume();
    response.on('end', () => process.send(response.statusCode));
  });
  request.on('timeout', () => request.destroy(new Error(`no answer within ${TIMEOUT_MS} ms`)));
});
process.once('disconnect', () => agent.destroy());
