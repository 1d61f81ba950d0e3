'use strict';
// Loads heapgap/preload when a server is listening already, which must go on.

const net = require('node:net');

const server = net
  .createServer((socket) => socket.end('served'))
  .listen(0, '127.0.0.1', () => {
    require('../../../lib/preload.js');
    const { name } = require('../../..').allocator();
    const socket = net.connect(server.address().port, '127.0.0.1').setEncoding('utf8');
    socket.once('data', (text) => {
      process.stdout.write(JSON.stringify({ name, text }));
      server.close();
    });
  });
