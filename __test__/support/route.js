'use strict';
// Serves the route, and asks it.

const assert = require('node:assert/strict');
const { once } = require('node:events');
const http = require('node:http');

const TOKEN = 'correct horse battery staple';
const BEARER = { Authorization: `Bearer ${TOKEN}` };

async function serve(t, listener, { where = { port: 0, host: '127.0.0.1' }, peer } = {}) {
  const server = listener instanceof http.Server ? listener : http.createServer(listener);
  if (peer !== undefined) {
    server.prependListener('connection', (socket) => {
      Object.defineProperty(socket, 'remoteAddress', { value: peer });
    });
  }
  server.listen(where);
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return typeof where === 'object' && where.path ? where.path : server.address().port;
}

/** Not fetch(), which forbids to set Host, Origin and the like. */
async function ask(at, options = {}) {
  const to = typeof at === 'string' ? { socketPath: at } : { host: '127.0.0.1', port: at };
  const req = http.request({ ...to, path: '/debug/memory', agent: false, ...options });
  req.end();
  const [res] = await once(req, 'response');
  let text = '';
  for await (const chunk of res.setEncoding('utf8')) text += chunk;
  const json = /json/.test(res.headers['content-type']) && text ? JSON.parse(text) : undefined;
  return { status: res.statusCode, headers: res.headers, text, json };
}

function refused(answer, status, code) {
  assert.equal(answer.status, status, answer.text);
  assert.deepEqual(Object.keys(answer.json), ['error']);
  assert.deepEqual(Object.keys(answer.json.error), ['code', 'message']);
  assert.equal(answer.json.error.code, code);
  hasCommonHeaders(answer);
}

function hasCommonHeaders({ headers, text }) {
  assert.equal(headers['content-type'], 'application/json; charset=utf-8');
  assert.equal(headers['content-length'], String(Buffer.byteLength(text)));
  assert.equal(headers['cache-control'], 'no-store');
  assert.equal(headers['x-content-type-options'], 'nosniff');
  assert.equal(headers['cross-origin-resource-policy'], 'same-origin');
  const cors = Object.keys(headers).filter((name) => name.startsWith('access-control'));
  assert.deepEqual(cors, []);
}

/** Waits, one turn of the event loop after another, for what the test itself has set going. */
async function until(condition) {
  while (!condition()) await new Promise(setImmediate);
}

/**
 * What a stream of server-sent events says: `next(name)` resolves with the data of the next event of that name,
 * and rejects where the stream ends before.
 */
function eventsOf(stream) {
  const heard = [];
  let wake = () => {};
  let over = false;
  let text = '';
  stream.setEncoding('utf8');
  stream.on('data', (chunk) => {
    const blocks = (text + chunk).split('\n\n');
    text = blocks.pop();
    for (const block of blocks) {
      const [, event] = /^event: (.*)$/m.exec(block);
      const [, data] = /^data: (.*)$/m.exec(block);
      heard.push({ event, data: JSON.parse(data) });
    }
    wake();
  });
  stream.on('error', () => {});
  stream.on('close', () => {
    over = true;
    wake();
  });
  async function next(name) {
    for (;;) {
      const found = heard.findIndex(({ event }) => event === name);
      if (found >= 0) return heard.splice(found, 1)[0].data;
      assert.ok(!over, `the stream ended before ${name}`);
      await new Promise((resolve) => {
        wake = resolve;
      });
    }
  }
  return { heard, next };
}

/** Opens …/live. */
async function look(at, options) {
  const to = { host: '127.0.0.1', port: at, path: '/debug/memory/live', agent: false, ...options };
  const req = http.request(to).end();
  req.on('error', () => {});
  const [res] = await once(req, 'response');
  return { req, res, ...eventsOf(res) };
}

module.exports = {
  BEARER,
  TOKEN,
  ask,
  eventsOf,
  hasCommonHeaders,
  look,
  refused,
  serve,
  until,
};
