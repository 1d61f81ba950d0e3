'use strict';

const crypto = require('node:crypto');
const dns = require('node:dns/promises');
const http = require('node:http');
const { setTimeout: sleep } = require('node:timers/promises');
const { promisify } = require('node:util');
const zlib = require('node:zlib');

const express = require('express');
const heapgap = require('heapgap');
const { plant } = require('./plants.js');

const scrypt = promisify(crypto.scrypt);
const gzip = promisify(zlib.gzip);
const gunzip = promisify(zlib.gunzip);

const HOST = process.env.HOST || '127.0.0.1';
const PORT = Number(process.env.PORT ?? 3000);
const PURGE_AFTER_BURST = process.env.PURGE_AFTER_BURST !== '0';
/** Without a token the memory page is for this machine alone. */
const TOKEN = process.env.DEBUG_TOKEN;
/** A fault to look at. */
const { PLANT } = process.env;

const SESSIONS = 1000;
const BURST_REQUESTS = 50;
const CALM_MS = 2000;

/** The services behind the gateway: items per answer, and the milliseconds between its pieces. */
const UPSTREAMS = {
  prices: { items: 400, pauseMs: 5 },
  stock: { items: 900, pauseMs: 10 },
  reviews: { items: 1600, pauseMs: 20 },
  related: { items: 2800, pauseMs: 15 },
};

/** A Map that keeps its `limit` most recently used entries. */
class SessionCache extends Map {
  constructor(limit) {
    super();
    this.limit = limit;
  }

  get(id) {
    const session = super.get(id);
    if (session) this.set(id, session);
    return session;
  }

  set(id, session) {
    this.delete(id);
    super.set(id, session);
    if (this.size > this.limit) this.delete(this.keys().next().value);
    return this;
  }
}

function catalogue(name, count) {
  const items = Array.from({ length: count }, (_, i) => ({
    id: `${name}-${i}`,
    score: (i * 7919) % 1000,
    label: `${name} number ${i}`,
    note: `value ${(i * 104729) % 99991} of ${name}, kept for the page of item ${i}`,
  }));
  return Buffer.from(JSON.stringify(items));
}

/** A server that stands for the services behind the gateway: each answer comes in paced pieces. */
function createUpstream() {
  const bodies = new Map(
    Object.entries(UPSTREAMS).map(([name, { items }]) => [`/${name}`, catalogue(name, items)]),
  );
  return http.createServer(async (req, res) => {
    const body = bodies.get(req.url);
    if (!body) {
      res.writeHead(404).end();
      return;
    }
    res.writeHead(200, { 'content-type': 'application/json' });
    const { pauseMs } = UPSTREAMS[req.url.slice(1)];
    for (let at = 0; at < body.length; at += 32 * 1024) {
      res.write(body.subarray(at, at + 32 * 1024));
      await sleep(pauseMs);
    }
    res.end();
  });
}

function get(url, agent) {
  return new Promise((resolve, reject) => {
    http.get(url, { agent }, resolve).on('error', reject);
  });
}

async function fetchBuffer(url, agent) {
  const response = await get(url, agent);
  const chunks = [];
  for await (const chunk of response) chunks.push(chunk);
  if (response.statusCode !== 200) throw new Error(`${url} answered ${response.statusCode}`);
  return Buffer.concat(chunks);
}

/** The page a gateway makes of its upstream answers: the best items of each. */
function transform(bodies) {
  const lists = bodies.map((body) => JSON.parse(body.toString()));
  const best = lists.flatMap((items) => items.filter((item) => item.score > 750));
  return Buffer.from(JSON.stringify(best.sort((a, b) => b.score - a.score)));
}

function createApp({ upstream, agent }) {
  const sessions = new SessionCache(SESSIONS);
  const app = express();
  app.disable('x-powered-by');

  // A heap snapshot holds all that the service knows, and says who keeps what leaks.
  app.use('/debug/memory', heapgap.route({ token: TOKEN, heapSnapshot: Boolean(PLANT) }));
  app.get('/healthz', (_req, res) => {
    res.sendStatus(200);
  });
  if (PURGE_AFTER_BURST) app.use(purgeAfterBursts());
  if (PLANT) plant(app, PLANT);

  app.get('/', (_req, res) => {
    res.json({ sessions: sessions.size });
  });

  app.post('/sessions', express.json({ limit: '2mb' }), async (req, res) => {
    const { password, history } = req.body ?? {};
    if (typeof password !== 'string' || !Array.isArray(history)) {
      res.sendStatus(400);
      return;
    }
    const id = crypto.randomUUID();
    const key = await scrypt(password, crypto.randomBytes(16), 32, { N: 1024 });
    const snapshot = await gzip(JSON.stringify(history));
    sessions.set(id, { history, key, snapshot });
    res.status(201).json({ id });
  });

  app.get('/sessions/:id', async (req, res) => {
    const session = sessions.get(req.params.id);
    if (!session) {
      res.sendStatus(404);
      return;
    }
    const snapshot = await gunzip(session.snapshot);
    res.json({ visited: session.history.length, snapshotBytes: snapshot.length });
  });

  const raw = express.raw({ type: 'application/octet-stream', limit: '16mb' });
  app.post('/uploads', raw, async (req, res) => {
    if (!Buffer.isBuffer(req.body)) {
      res.sendStatus(415);
      return;
    }
    const packed = await gzip(req.body, { level: 1 });
    const sha256 = crypto.createHash('sha256').update(packed).digest('hex');
    res.status(201).json({ bytes: req.body.length, stored: packed.length, sha256 });
  });

  app.get('/gateway', async (_req, res) => {
    const urls = Object.keys(UPSTREAMS).map((name) => `${upstream}/${name}`);
    const bodies = await Promise.all(urls.map((url) => fetchBuffer(url, agent)));
    const page = await gzip(transform(bodies));
    res.set({ 'content-type': 'application/json', 'content-encoding': 'gzip' }).send(page);
  });

  app.get('/resolve', async (_req, res) => {
    res.json(await dns.lookup('localhost', { all: true }));
  });

  // Buffers that V8 has not collected yet are allocated memory: no purge can give them back.
  if (globalThis.gc) {
    app.post('/gc', (_req, res) => {
      globalThis.gc();
      res.sendStatus(204);
    });
  }

  return app;
}

const mb = (bytes) => (bytes == null ? '—' : `${Math.round(bytes / 1024 / 1024)} MB`);

async function purgeAndLog() {
  try {
    const { rssBefore, rssAfter, released, durationMs } = await heapgap.purge();
    console.log(
      `purged: RSS ${mb(rssBefore)} → ${mb(rssAfter)}, ` +
        `released ${mb(released)} in ${Math.round(durationMs)} ms`,
    );
  } catch (error) {
    console.error(`purge failed: ${error.message}`);
  }
}

/** Middleware that purges once no request has been in flight for a moment after a burst. */
function purgeAfterBursts() {
  let inFlight = 0;
  let served = 0;
  let timer = null;

  function calm() {
    if (served >= BURST_REQUESTS) purgeAndLog();
    served = 0;
  }

  function finished() {
    inFlight -= 1;
    served += 1;
    if (inFlight === 0) timer = setTimeout(calm, CALM_MS).unref();
  }

  return (_req, res, next) => {
    clearTimeout(timer);
    inFlight += 1;
    res.once('close', finished);
    next();
  };
}

function listen(server, port, host) {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      const { address, family, port: actual } = server.address();
      resolve(`http://${family === 'IPv6' ? `[${address}]` : address}:${actual}`);
    });
  });
}

async function main() {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 256 });
  const upstreamServer = createUpstream();
  const upstream = await listen(upstreamServer, 0, '127.0.0.1');
  const server = http.createServer(createApp({ upstream, agent }));
  const url = await listen(server, PORT, HOST);
  console.log(`service: ${url}/`);
  console.log(`memory:  ${url}/debug/memory`);

  function shutdown() {
    // close() ends connections that are idle now; a client that is busy would keep its own for ever.
    const closing = setInterval(() => server.closeIdleConnections(), 50);
    server.close(() => {
      clearInterval(closing);
      agent.destroy();
      upstreamServer.close();
    });
  }
  process.once('SIGTERM', shutdown);
  process.once('SIGINT', shutdown);
}

main().catch((error) => {
  console.error(`cannot start: ${error.message}`);
  process.exit(1);
});
