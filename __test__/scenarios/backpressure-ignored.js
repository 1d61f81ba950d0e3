'use strict';

const net = require('node:net');
const { scenario } = require('../support/scenario.js');

scenario(module, {
  cause: 'a socket written to faster than its peer reads',
  verdict: 'external-buffers',
  async load({ MIB, once, watched }) {
    const server = net.createServer((peer) => peer.pause()).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const socket = net.connect(server.address().port, '127.0.0.1');
    await once(socket, 'connect');
    const window = await watched(7000, () => socket.write(Buffer.alloc(2 * MIB, 1)));
    return { server, socket, window };
  },
});
