'use strict';
// Serves the route, says at which port, and closes the server when it is told to; nothing else ends it.

const http = require('node:http');
const { route } = require('heapgap');

const server = http.createServer(route()).listen(0, '127.0.0.1', () => {
  process.send(server.address().port);
});
process.once('message', () => {
  server.close();
  process.disconnect();
});
