'use strict';
// A service with heapgap's route. Takes a port (0 for any) and the route's options as JSON; prints its port.

const http = require('node:http');
const heapgap = require('../..');

const [port = '0', options = '{}'] = process.argv.slice(2);
const server = http.createServer(heapgap.route(JSON.parse(options)));
server.listen(Number(port), '127.0.0.1', () => {
  process.stdout.write(`${server.address().port}\n`);
});
