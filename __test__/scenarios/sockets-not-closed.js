'use strict';

const net = require('node:net');
const { EVERY, scenario } = require('../support/scenario.js');

scenario(module, {
  cause: 'connections to a backend that are never ended',
  allocators: EVERY,
  verdict: 'handles-growing',
  async load({ once, watched }) {
    const server = net.createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address();
    const connections = [];
    const window = await watched(7000, async () => {
      for (let request = 0; request < 3; request++) {
        const connection = net.connect(port, '127.0.0.1');
        await once(connection, 'connect');
        connections.push(connection);
      }
    });
    return { connections, window };
  },
});
