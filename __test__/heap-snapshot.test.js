'use strict';
// GET …/heap-snapshot.

const assert = require('node:assert/strict');
const { once } = require('node:events');
const http = require('node:http');
const http2 = require('node:http2');
const { Readable } = require('node:stream');
const { describe, it } = require('node:test');
const express = require('express');
const express4 = require('express4');
const fc = require('fast-check');
const { createRoute } = require('../lib/route.js');
const { inCgroup, makeCgroup } = require('./support/cgroup.js');
const { finished } = require('./support/child.js');

const MB = 1024 * 1024;
const TARGET = '/debug/memory/heap-snapshot';
const TOKEN = 'correct horse battery staple';

const NO_LIMIT = { limit: null, unreclaimable: null };

/** A route with a heap that always fits, and snapshots that the test makes itself. */
function fakes({
  cgroup = NO_LIMIT,
  heapUsed = 1,
  take = () => Readable.from(['{}']),
  ...rest
} = {}) {
  const calls = { take: 0 };
  const route = createRoute({
    snapshot: async () => ({ v8: { heapUsed }, cgroup }),
    takeHeapSnapshot: () => {
      calls.take += 1;
      return take();
    },
    ...rest,
  });
  return { route, calls };
}

async function serve(t, handler) {
  const server = http.createServer(handler);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return server.address().port;
}

async function open(port, options = {}) {
  const req = http.request({ host: '127.0.0.1', port, path: TARGET, agent: false, ...options });
  req.end();
  const [res] = await once(req, 'response');
  return { req, res };
}

async function ask(port, options) {
  const { res } = await open(port, options);
  let text = '';
  for await (const chunk of res.setEncoding('utf8')) text += chunk;
  return { status: res.statusCode, headers: res.headers, text };
}

function refused({ status, text }, expected, code, message) {
  assert.equal(status, expected, text);
  const { error } = JSON.parse(text);
  assert.equal(error.code, code);
  if (message) assert.match(error.message, message);
}

/** Waits, one turn of the event loop after another, for what the test itself has set going. */
async function until(condition) {
  while (!condition()) await new Promise(setImmediate);
}

class HeldByTheTest {
  constructor(name) {
    this.name = name;
  }
}
const held = new HeldByTheTest('a string that only this test has');

const HOSTS = [
  ['node:http', (handler) => handler],
  ['Express 5', (handler) => express().use('/debug/memory', handler)],
  ['Express 4', (handler) => express4().use('/debug/memory', handler)],
];

for (const [name, host] of HOSTS) {
  it(`${name}: V8's own snapshot arrives whole`, async (t) => {
    const { route } = require('..');
    const port = await serve(t, host(route({ heapSnapshot: true })));
    const before = Date.now();
    const { status, headers, text } = await ask(port);
    assert.equal(status, 200, text.slice(0, 500));
    assert.match(headers['content-type'], /^application\/json/);
    assert.equal(headers['cache-control'], 'no-store');
    assert.equal(headers['content-length'], undefined);
    const [, pid, time] = /^attachment; filename="heap-(\d+)-(\d{8}T\d{9}Z)\.heapsnapshot"$/.exec(
      headers['content-disposition'],
    );
    assert.equal(Number(pid), process.pid);
    const [year, month, day, hour, minute, second] = time.match(/\d\d(?:\d\d(?=\d{4}T))?/g);
    const named = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
    assert.ok(named >= before - 1000 && named <= Date.now(), time);

    const { snapshot, nodes, strings } = JSON.parse(text);
    assert.equal(nodes.length, snapshot.node_count * snapshot.meta.node_fields.length);
    assert.ok(strings.includes(held.constructor.name) && strings.includes(held.name));
  });
}

describe('is off', () => {
  for (const options of [undefined, {}, { heapSnapshot: false }, { heapSnapshot: undefined }]) {
    it(`with ${JSON.stringify(options)}, and says what turns it on`, async (t) => {
      const { route, calls } = fakes();
      const port = await serve(t, route(options));
      refused(await ask(port), 403, 'ERR_HEAPGAP_FORBIDDEN', /`heapSnapshot: true`/);
      assert.equal((await ask(port, { method: 'HEAD' })).status, 403);
      assert.equal(calls.take, 0);
    });
  }

  it('for strangers, who are not told of the option', async (t) => {
    const { route, calls } = fakes();
    const port = await serve(t, route({ heapSnapshot: true }));
    const stranger = await ask(port, { headers: { Via: '1.1 x' } });
    refused(stranger, 403, 'ERR_HEAPGAP_FORBIDDEN', /`authorize` or `token`/);
    const closed = await serve(t, route({ heapSnapshot: true, token: TOKEN }));
    refused(await ask(closed), 401, 'ERR_HEAPGAP_UNAUTHORIZED');
    const headers = { Authorization: `Bearer ${TOKEN}` };
    assert.equal((await ask(closed, { headers })).status, 200);
    assert.equal(calls.take, 1);
  });

  it('for other methods than GET and HEAD', async (t) => {
    const { route, calls } = fakes();
    const port = await serve(t, route({ heapSnapshot: true }));
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) {
      refused(await ask(port, { method }), 405, 'ERR_HEAPGAP_METHOD_NOT_ALLOWED');
    }
    assert.equal(calls.take, 0);
  });

  it('for other sites', async (t) => {
    const { route, calls } = fakes();
    const port = await serve(t, route({ heapSnapshot: true }));
    for (const headers of [{ 'Sec-Fetch-Site': 'cross-site' }, { Origin: 'http://evil.example' }]) {
      refused(await ask(port, { headers }), 403, 'ERR_HEAPGAP_CROSS_SITE', /a heap snapshot/);
    }
    assert.equal(calls.take, 0);
    assert.equal((await ask(port, { headers: { 'Sec-Fetch-Site': 'same-origin' } })).status, 200);
  });

  for (const wrong of ['yes', 1, null, {}]) {
    it(`the option refuses ${JSON.stringify(wrong)}`, () => {
      assert.throws(() => fakes().route({ heapSnapshot: wrong }), {
        name: 'TypeError',
        code: 'ERR_HEAPGAP_INVALID_ARG_TYPE',
        message: /^expected `heapSnapshot` to be a boolean, got /,
      });
    });
  }
});

it('HEAD answers as GET does and takes none', async (t) => {
  const { route, calls } = fakes();
  const port = await serve(t, route({ heapSnapshot: true }));
  const head = await ask(port, { method: 'HEAD' });
  assert.equal(head.status, 200);
  assert.equal(head.text, '');
  assert.match(head.headers['content-disposition'], /\.heapsnapshot"$/);
  assert.equal(calls.take, 0);
  assert.equal((await ask(port)).status, 200);
});

it('HTTP/2: arrives whole, and a client that leaves ends it', async (t) => {
  const gone = new Readable({ read() {} });
  gone.push('{');
  const { route, calls } = fakes({ take: () => (calls.take === 1 ? gone : Readable.from('{}')) });
  const server = http2.createServer(route({ heapSnapshot: true })).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const session = http2.connect(`http://127.0.0.1:${server.address().port}`);
  t.after(() => {
    session.destroy();
    server.close();
  });
  const first = session.request({ ':path': TARGET });
  first.on('error', () => {});
  await once(first, 'data');
  const left = new Promise((resolve) => gone.once('close', resolve));
  first.close(http2.constants.NGHTTP2_CANCEL);
  await left;
  const second = session.request({ ':path': TARGET });
  const [headers] = await once(second, 'response');
  assert.equal(headers[':status'], 200);
  assert.match(headers['content-disposition'], /\.heapsnapshot"$/);
  assert.equal((await second.setEncoding('utf8').toArray()).join(''), '{}');
});

describe('one at a time', () => {
  /** A stream that gives as long as it is asked, and says when it is destroyed. */
  function endless() {
    const made = { given: 0, closed: false };
    made.stream = new Readable({
      read() {
        made.given += 1;
        this.push(Buffer.alloc(64 * 1024, 32));
      },
    }).on('close', () => {
      made.closed = true;
    });
    return made;
  }

  it('another one gets 409, whichever handler it asks, until the first is over', async (t) => {
    const first = new Readable({ read() {} });
    first.push('{');
    const { route, calls } = fakes({
      take: () => (calls.take === 1 ? first : Readable.from('{}')),
    });
    const port = await serve(t, route({ heapSnapshot: true }));
    const other = await serve(t, route({ heapSnapshot: true, path: '/debug/memory' }));
    const { res } = await open(port);
    assert.equal(res.statusCode, 200);
    for (const at of [port, other]) {
      refused(await ask(at), 409, 'ERR_HEAPGAP_BUSY');
      assert.equal((await ask(at, { method: 'HEAD' })).status, 409);
    }
    first.push('}');
    first.push(null);
    assert.equal((await res.setEncoding('utf8').toArray()).join(''), '{}');
    assert.equal((await ask(port)).status, 200);
    assert.equal(calls.take, 2);
  });

  it('two that ask at once are told apart', async (t) => {
    const { route, calls } = fakes();
    const port = await serve(t, route({ heapSnapshot: true }));
    const statuses = (await Promise.all([ask(port), ask(port)])).map(({ status }) => status);
    assert.ok(statuses.includes(200));
    assert.equal(calls.take, statuses.filter((status) => status === 200).length);
  });

  it('a slow client is waited for, and not read ahead of', async (t) => {
    const made = endless();
    const { route } = fakes({ take: () => made.stream });
    const port = await serve(t, route({ heapSnapshot: true }));
    const { req, res } = await open(port);
    res.pause();
    // What the sockets of both sides hold, and then no more: the stream is left alone.
    let seen = -1;
    while (seen !== made.given) {
      seen = made.given;
      for (let turns = 0; turns < 200; turns++) await new Promise(setImmediate);
    }
    assert.ok(made.given * 64 * 1024 < 64 * MB, `${made.given} chunks were read`);
    assert.equal(made.closed, false);
    req.destroy();
    await until(() => made.closed);
  });

  it('a client that leaves ends it, and the next one is served', async (t) => {
    const made = endless();
    const { route, calls } = fakes({
      take: () => (calls.take === 1 ? made.stream : Readable.from(['{}'])),
    });
    const port = await serve(t, route({ heapSnapshot: true }));
    const { req, res } = await open(port);
    await once(res, 'data');
    req.destroy();
    await until(() => made.closed);
    assert.equal((await ask(port)).text, '{}');
  });

  it('a client that leaves before it is taken costs none', async (t) => {
    const parts = {};
    parts.room = new Promise((resolve) => Object.assign(parts, { resolve }));
    const { route, calls } = fakes({ snapshot: () => parts.room });
    const handler = route({ heapSnapshot: true });
    const seen = {};
    const port = await serve(t, (req, res) => {
      Object.assign(seen, { res, done: handler(req, res) });
    });
    const req = http.request({ host: '127.0.0.1', port, path: TARGET, agent: false });
    req.on('error', () => {});
    req.end();
    await until(() => seen.res !== undefined);
    req.destroy();
    await once(seen.res, 'close');
    parts.resolve({ v8: { heapUsed: 1 }, cgroup: NO_LIMIT });
    await seen.done;
    assert.equal(calls.take, 0);
    assert.equal((await ask(port)).status, 200);
  });

  it('a client that reads nothing is left after a while', async (t) => {
    const made = endless();
    const { route } = fakes({ take: () => made.stream, idleMs: 50 });
    const port = await serve(t, route({ heapSnapshot: true }));
    const { res } = await open(port);
    res.on('error', () => {});
    res.pause();
    await until(() => made.closed);
  });

  it('one that cannot be answered with is let go of', async () => {
    const made = endless();
    const { route } = fakes({ take: () => made.stream });
    const res = {
      on() {},
      getHeaderNames: () => [],
      setHeader() {
        throw new Error('broken');
      },
    };
    const handler = route({ heapSnapshot: true, authorize: () => true });
    assert.equal(await handler({ method: 'GET', url: TARGET, headers: {} }, res), undefined);
    assert.equal(made.stream.destroyed, true);
  });

  const FAILURES = {
    'cannot be taken': () => {
      throw new Error('at /inside');
    },
    'breaks off before its first byte': () =>
      new Readable({
        read() {
          this.destroy(new Error('at /inside'));
        },
      }),
  };
  for (const [how, take] of Object.entries(FAILURES)) {
    it(`one that ${how} is no answer of 200 that ends well, and the next one is served`, async (t) => {
      const { route, calls } = fakes({
        take: () => (calls.take === 1 ? take() : Readable.from(['{}'])),
      });
      const port = await serve(t, route({ heapSnapshot: true }));
      const outcome = await ask(port).catch((error) => error);
      assert.ok(outcome.status === 500 || outcome.code === 'ECONNRESET', String(outcome.status));
      assert.doesNotMatch(outcome.text ?? '', /inside/);
      assert.equal((await ask(port)).text, '{}');
    });
  }
});

describe('room', () => {
  const heapUsed = 10 * MB;
  const need = 30 * heapUsed;
  const cases = [
    ['a limit with just enough left', { limit: need + 100 * MB, unreclaimable: 100 * MB }, 200],
    ['a byte less', { limit: need + 100 * MB - 1, unreclaimable: 100 * MB }, 503],
    ['more in use than the limit', { limit: 100 * MB, unreclaimable: 101 * MB }, 503],
    ['a limit, and use that is not known', { limit: 100 * MB, unreclaimable: null }, 200],
  ];
  for (const [title, cgroup, expected] of cases) {
    it(`${title}: ${expected}`, async (t) => {
      const { route, calls } = fakes({ cgroup, heapUsed });
      const port = await serve(t, route({ heapSnapshot: true }));
      const answer = await ask(port);
      assert.equal((await ask(port, { method: 'HEAD' })).status, expected);
      assert.equal(calls.take, expected === 200 ? 1 : 0);
      if (expected === 200) return assert.equal(answer.status, 200);
      refused(
        answer,
        503,
        'ERR_HEAPGAP_NO_ROOM',
        /10 MB can take 300 MB more .* and the memory limit of \d+ MB leaves /,
      );
      // What was refused is not under way.
      assert.equal((await ask(port)).status, 503);
    });
  }

  it('a heap larger than the machine is refused without a limit, too', async (t) => {
    const { route, calls } = fakes({ heapUsed: 2 ** 50 });
    const port = await serve(t, route({ heapSnapshot: true }));
    refused(await ask(port), 503, 'ERR_HEAPGAP_NO_ROOM', /and the machine leaves /);
    assert.equal(calls.take, 0);
  });

  it('is not asked about where the client forces it', async (t) => {
    const { route, calls } = fakes({ heapUsed: 2 ** 50 });
    const port = await serve(t, route({ heapSnapshot: true }));
    assert.equal((await ask(port, { path: `${TARGET}?force=true` })).status, 200);
    for (const query of ['force', 'force=1', 'force=false', 'force=true&force=true']) {
      const answer = await ask(port, { path: `${TARGET}?${query}` });
      refused(
        answer,
        400,
        'ERR_HEAPGAP_INVALID_ARG_VALUE',
        /^expected `force` to be the string true/,
      );
    }
    assert.equal(calls.take, 1);
    const off = await serve(t, route());
    assert.equal((await ask(off, { path: `${TARGET}?force=true` })).status, 403);
  });

  for (const [limit, status] of [
    [120 * MB, 503],
    [2048 * MB, 200],
  ]) {
    it(`in a cgroup of ${limit / MB} MB a service answers ${status} and lives on`, async (t) => {
      const group = makeCgroup(t, limit);
      if (group === null) return;
      const code = `
        const http = require('node:http');
const http2 = require('node:http2');
        const handler = require('..').route({ heapSnapshot: true });
        const server = http.createServer(handler).listen(0, '127.0.0.1', async () => {
          const at = 'http://127.0.0.1:' + server.address().port + '/debug/memory/heap-snapshot';
          const answer = await fetch(at);
          const text = await answer.text();
          console.log(JSON.stringify({ status: answer.status, json: Object.keys(JSON.parse(text)) }));
          server.close();
        });`;
      const command = inCgroup(group, [process.execPath, '-e', code]);
      const ended = await finished('/bin/sh', command, { cwd: __dirname });
      assert.equal(ended.code, 0, ended.stderr);
      const { status: given, json } = JSON.parse(ended.stdout);
      assert.equal(given, status);
      assert.ok(json.includes(status === 200 ? 'nodes' : 'error'));
    });
  }
});

it('no garbage from a stranger takes one', async () => {
  const { route, calls } = fakes();
  const handler = route({ heapSnapshot: true });
  const text = fc.string({ unit: 'binary', maxLength: 60 });
  const name = fc.oneof(text, fc.constantFrom('host', 'origin', 'authorization', 'sec-fetch-site'));
  const request = fc.record({
    method: fc.constantFrom('GET', 'HEAD', 'get'),
    url: fc.oneof(
      fc.constant(TARGET),
      text.map((rest) => `${TARGET}${rest}`),
    ),
    headers: fc.dictionary(name, text),
    httpVersion: fc.constantFrom('1.0', '1.1', '2.0'),
    socket: fc.record({ remoteAddress: fc.constantFrom('203.0.113.9', '::2', '', undefined) }),
  });
  await fc.assert(
    fc.asyncProperty(request, async (req) => {
      const res = {
        headersSent: false,
        getHeaderNames: () => [],
        setHeader() {},
        end() {
          this.headersSent = true;
        },
      };
      await handler(req, res);
      assert.ok([403, 404, 405].includes(res.statusCode), `status ${res.statusCode}`);
    }),
    { numRuns: 500 },
  );
  assert.equal(calls.take, 0);
});
