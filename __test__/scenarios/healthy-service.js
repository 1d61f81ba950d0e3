'use strict';

const http = require('node:http');
const zlib = require('node:zlib');
const { promisify } = require('node:util');
const { EVERY, scenario } = require('../support/scenario.js');

const gzip = promisify(zlib.gzip);
const PARALLEL = 40;

const rows = Array.from({ length: 500 }, (_, id) => ({ id, name: `row ${id}`, value: id * 7919 }));

/** Sends requests, one after the other, for ever. */
async function client(url, agent, first) {
  for (let sent = first; ; sent++) {
    const body = JSON.stringify(rows.slice(0, 1 + (sent % 500)));
    await new Promise((resolve, reject) => {
      const request = http.request(url, { agent, method: 'POST' }, (response) =>
        response.on('error', reject).on('end', resolve).resume(),
      );
      request.on('error', reject).end(body);
    });
  }
}

scenario(module, {
  cause: 'a busy service: HTTP, JSON, gzip',
  allocators: EVERY,
  verdict: 'healthy',
  async load({ once, watched }) {
    const server = http.createServer(async (request, response) => {
      const chunks = await request.toArray();
      const parsed = JSON.parse(Buffer.concat(chunks));
      const sorted = parsed.sort((a, b) => a.name.localeCompare(b.name));
      response.setHeader('content-encoding', 'gzip');
      response.end(await gzip(JSON.stringify(sorted)));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const url = `http://127.0.0.1:${server.address().port}/`;
    const agent = new http.Agent({ keepAlive: true });
    // They go on while diagnose() looks.
    const clients = Array.from({ length: PARALLEL }, (_, index) => client(url, agent, index * 7));
    return { agent, clients, server, window: await watched(7000, () => {}) };
  },
});
