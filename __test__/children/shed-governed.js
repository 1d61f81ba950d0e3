'use strict';
// A server that is governed (arguments: the framework) fills its memory, drops it, and prints how it answered. Needs --expose-gc.

const { once } = require('node:events');
const http = require('node:http');
const heapgap = require('../..');

const [framework] = process.argv.slice(2);

const MB = 1024 * 1024;
/** Below glibc's mmap threshold: a block of its own would go back to the kernel at once. */
const BLOCK = 64 * 1024;
/** So much more than all the rest that the rest cannot make up for a tenth of it. */
const HELD = 300 * MB;

const SERVERS = {
  async fastify(turnAway) {
    const server = require('fastify')();
    server.get('/health', async () => 'well');
    server.register(async (app) => {
      app.addHook('onRequest', turnAway);
      app.get('/', async () => 'worked');
    });
    await server.listen({ port: 0, host: '127.0.0.1' });
    return server.server;
  },
  async express(turnAway, create = require('express')) {
    const app = create();
    app.get('/health', (_req, res) => res.send('well'));
    app.use(turnAway);
    app.get('/', (_req, res) => res.send('worked'));
    const server = app.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return server;
  },
  express4: (turnAway) => SERVERS.express(turnAway, require('express4')),
};

const held = [];

function hold() {
  while (held.length < HELD / BLOCK) held.push(Buffer.allocUnsafeSlow(BLOCK).fill(1));
}

/** V8 frees the memory of dead Buffers on another thread: collects until it has. */
async function drop() {
  held.length = 0;
  while (process.memoryUsage().arrayBuffers > HELD / 10) {
    global.gc();
    await new Promise(setImmediate);
  }
}

async function ask(port, path) {
  const req = http.get({ host: '127.0.0.1', port, path, agent: false });
  const [res] = await once(req, 'response');
  let text = '';
  for await (const chunk of res.setEncoding('utf8')) text += chunk;
  return { status: res.statusCode, retryAfter: res.headers['retry-after'] ?? null, text };
}

async function main() {
  const warnings = [];
  process.on('warning', ({ code, message }) => warnings.push({ code, message }));
  const turnAway = heapgap.shed();
  const server = await SERVERS[framework](turnAway);
  const { port } = server.address();
  // What `memoryUsage()` reads is what the next request goes by.
  const seen = async () => ({
    figures: turnAway.memoryUsage(),
    work: await ask(port, '/'),
    health: await ask(port, '/health'),
  });

  hold();
  // Nothing is left that a purge could return: what is above the limit is live.
  const { rssAfter } = await heapgap.purge();
  const governor = heapgap.govern({ limit: rssAfter, minIntervalMs: 5, maxIntervalMs: 50 });
  await once(governor, 'limit');
  const atLimit = await seen();

  const calm = once(governor, 'calm');
  await drop();
  await calm;
  const afterwards = await seen();

  await governor.stop();
  const ended = await seen();
  server.close();
  process.stdout.write(JSON.stringify({ atLimit, afterwards, ended, warnings }));
}

main();
