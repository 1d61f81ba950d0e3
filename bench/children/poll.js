'use strict';
// Asks for the route each time it is told to, and says what status it got. Its argument is the route's address. In a
// process of its own: what the one who looks does is no cost of the service, nor may it hold up the load.

const http = require('node:http');

const [address] = process.argv.slice(2);
const agent = new http.Agent({ keepAlive: true });

process.on('message', () => {
  http.get(address, { agent }, (response) => {
    response.resume();
    response.on('end', () => process.send(response.statusCode));
  });
});
process.once('disconnect', () => agent.destroy());
