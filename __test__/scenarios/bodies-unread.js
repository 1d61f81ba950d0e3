'use strict';

const http = require('node:http');
const { scenario } = require('../support/scenario.js');

scenario(module, {
  cause: 'responses of fetch() of which nobody reads the body',
  verdict: 'handles-growing',
  async load({ once, watched }) {
    const body = Buffer.alloc(300_000, 1);
    const server = http.createServer((_, response) => response.end(body)).listen(0, '127.0.0.1');
    // What fits into the kernel's buffers is sent, and the server would end an idle connection.
    server.keepAliveTimeout = 0;
    await once(server, 'listening');
    const url = `http://127.0.0.1:${server.address().port}/`;
    const responses = [];
    const window = await watched(7000, async () => {
      responses.push(await fetch(url));
    });
    return { responses, window };
  },
});
