'use strict';
// A service with heapgap's route. Takes a port (0 for any) and the route's options as JSON; prints its port, and
// the route's own count of purges for each line on standard input.

const http = require('node:http');
const heapgap = require('../..');

const [port = '0', options = '{}', title] = process.argv.slice(2);
if (title) process.argv[1] = title;

const server = http.createServer(heapgap.route(JSON.parse(options)));
server.listen(Number(port), '127.0.0.1', () => {
  process.stdout.write(`${server.address().port}\n`);
});
