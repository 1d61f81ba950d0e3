'use strict';

const assert = require('node:assert/strict');
const { once } = require('node:events');
const fs = require('node:fs');
const http = require('node:http');
const http2 = require('node:http2');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');
const { describe, it } = require('node:test');
const express = require('express');
const express4 = require('express4');
const fc = require('fast-check');
const { createRecentDiagnosis } = require('../lib/recent-diagnosis.js');
const { createRoute } = require('../lib/route.js');
const {
  BEARER,
  TOKEN,
  ask,
  hasCommonHeaders,
  refused,
  serve,
  until,
} = require('./support/route.js');

const MB = 1024 * 1024;
const SNAPSHOT = {
  time: '2024-01-01T00:00:00.000Z',
  pid: 42,
  process: { rss: 485 * MB, uptime: 1 },
  v8: {
    heapTotal: 300 * MB,
    heapUsed: 280.5 * MB,
    external: 1234,
    arrayBuffers: null,
    mallocedMemory: 7,
  },
  gap: 185 * MB,
  ledger: { rss: 485 * MB, parts: {} },
  notes: ['a note'],
};
const REPORT = { allocator: 'jemalloc', rssBefore: 410, rssAfter: 295, released: 115 };

const INSPECTION = { ...SNAPSHOT, mappings: null };
const DIAGNOSIS = {
  verdict: 'retention',
  summary: 'Freed memory stays resident.',
  findings: [{ code: 'retention', bytes: 115 * MB }],
  window: { samples: 60, durationMs: 59_000 },
};
const NEVER = { snapshot: 0, purge: 0, inspect: 0, diagnose: 0 };

/** A purge that a test ends by hand, a clock that it moves by hand, and what was called. */
function fakes(overrides) {
  const calls = { ...NEVER };
  const clock = { ms: 1000 };
  const deps = {
    snapshot: () => SNAPSHOT,
    purge: async () => REPORT,
    inspect: async () => INSPECTION,
    diagnose: async () => ({ ...DIAGNOSIS, ledger: 'of the diagnosis', window: DIAGNOSIS.window }),
    ...overrides,
  };
  const counted = Object.fromEntries(
    Object.keys(calls).map((name) => [
      name,
      (...args) => {
        calls[name] += 1;
        return deps[name](...args);
      },
    ]),
  );
  const { diagnose, ...served } = counted;
  const now = () => clock.ms;
  const diagnosis = createRecentDiagnosis({ diagnose, now });
  const route = createRoute({ ...served, diagnosis, now });
  return { route, calls, clock };
}

function deferred() {
  const parts = {};
  parts.promise = new Promise((resolve, reject) => Object.assign(parts, { resolve, reject }));
  return parts;
}

const post = (at, headers = {}, target = '/debug/memory/purge') =>
  ask(at, { method: 'POST', path: target, headers });

/** What a client says byte for byte, for requests that http.request() refuses to make. */
async function say(port, text) {
  const socket = net.connect(port, '127.0.0.1');
  socket.end(text);
  let answer = '';
  for await (const chunk of socket.setEncoding('utf8')) answer += chunk;
  return { status: Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1]), text: answer };
}

const FRAMEWORKS = [
  ['Express 5', express],
  ['Express 4', express4],
];

describe('paths', () => {
  const MOUNTS = {
    'app.use(path, route())': (app, route) => app.use('/debug/memory', route()),
    'app.use(route())': (app, route) => app.use(route()),
    'nested routers, mounted': (app, route, { Router }) => {
      app.use('/debug', Router().use('/memory', route()));
    },
    'a nested router, not mounted': (app, route, { Router }) => app.use(Router().use(route())),
    'app.all': (app, route) => {
      const handler = route();
      app.all('/debug/memory', handler);
      app.all('/debug/memory/purge', handler);
    },
  };

  for (const [framework, create] of FRAMEWORKS) {
    for (const [title, mount] of Object.entries(MOUNTS)) {
      it(`${framework}: ${title}`, async (t) => {
        const { route } = fakes();
        const app = create();
        mount(app, route, create);
        app.use((req, res) => res.status(418).send(req.originalUrl));
        const port = await serve(t, app);

        for (const target of ['/debug/memory', '/debug/memory/', '/debug/memory?unit=B']) {
          const answer = await ask(port, { path: target });
          assert.equal(answer.status, 200, target);
          assert.equal(answer.json.rss, SNAPSHOT.process.rss);
        }
        assert.deepEqual((await post(port)).json, REPORT);
        for (const target of [
          '/',
          '/debug',
          '/debug/memory/other',
          '/debug/memoryx',
          '//',
          '/a//b',
        ]) {
          const answer = await ask(port, { path: target });
          assert.equal(answer.status, 418, target);
          assert.equal(answer.text, target);
        }
      });
    }

    it(`${framework}: app.get`, async (t) => {
      const { route } = fakes();
      const port = await serve(t, create().get('/debug/memory', route()));
      assert.equal((await ask(port)).json.rss, SNAPSHOT.process.rss);
      assert.equal((await ask(port, { method: 'HEAD' })).status, 200);
      assert.equal((await post(port)).status, 404);
    });

    it(`${framework}: mounted anywhere else`, async (t) => {
      const { route } = fakes();
      const port = await serve(t, create().use('/internal/mem', route()));
      assert.equal((await ask(port, { path: '/internal/mem' })).status, 200);
      assert.equal((await ask(port, { path: '/internal/mem/?unit=MB' })).status, 200);
      assert.equal((await post(port, {}, '/internal/mem/purge/')).status, 200);
      assert.equal((await ask(port)).status, 404);
    });

    it(`${framework}: the option path`, async (t) => {
      const { route } = fakes();
      const port = await serve(t, create().use(route({ path: '/mem' })));
      assert.equal((await ask(port, { path: '/mem' })).status, 200);
      assert.equal((await post(port, {}, '/mem/purge')).status, 200);
      assert.equal((await ask(port)).status, 404);
    });

    it(`${framework}: strange targets neither crash it nor open it`, async (t) => {
      const { route } = fakes();
      const port = await serve(t, create().use('/debug/memory', route()).use(route()));
      await strangeTargets(port);
    });
  }

  async function strangeTargets(port) {
    const targets = [
      '//',
      '//debug/memory',
      '/debug/memory/%',
      '/debug/memory/%zz',
      '/debug/memory/constructor',
      '/debug/memory/__proto__',
      '/debug/memory/purge/x',
      '/debug/memory#x',
      'http://localhost/debug/memory',
      'http://',
      'http://[',
      '*',
      '?',
    ];
    for (const target of targets) {
      const answer = await ask(port, { path: target });
      assert.ok(answer.status >= 400 && answer.status < 500, `${target}: ${answer.status}`);
    }
    assert.equal((await ask(port)).status, 200);
  }

  it('node:http: the route alone', async (t) => {
    const { route } = fakes();
    const port = await serve(t, route());
    assert.equal((await ask(port)).json.rss, SNAPSHOT.process.rss);
    assert.equal((await ask(port, { path: '/debug/memory/' })).status, 200);
    assert.deepEqual((await post(port)).json, REPORT);
    refused(await ask(port, { path: '/' }), 404, 'ERR_HEAPGAP_NOT_FOUND');
    refused(await ask(port, { path: '/debug/memoryx' }), 404, 'ERR_HEAPGAP_NOT_FOUND');
    await strangeTargets(port);
  });

  it('node:http: next() gets what is not ours', async (t) => {
    const handler = fakes().route();
    const port = await serve(t, (req, res) => handler(req, res, () => res.end('app')));
    assert.equal((await ask(port, { path: '/' })).text, 'app');
    assert.equal((await ask(port)).status, 200);
  });

  it('node:http: a third argument that is no function is no next()', async (t) => {
    const handler = fakes().route();
    const port = await serve(t, (req, res) => handler(req, res, 'next'));
    refused(await ask(port, { path: '/' }), 404, 'ERR_HEAPGAP_NOT_FOUND');
  });

  it('an error thrown by next() stays with the caller', () => {
    const failure = new Error('from next');
    const next = () => {
      throw failure;
    };
    const handler = fakes().route();
    assert.throws(
      () => handler({ url: '/', headers: {} }, {}, next),
      (error) => error === failure,
    );
  });

  for (const wrong of ['', '/', 'debug', '/debug/', '/debug?x', '//x', '/a//b', 5, null]) {
    it(`refuses the option path ${JSON.stringify(wrong)}`, () => {
      assert.throws(() => fakes().route({ path: wrong }), {
        code: /^ERR_HEAPGAP_INVALID_ARG_/,
        message: /^expected `path` to be a string/,
      });
    });
  }
});

describe('methods', () => {
  it('HEAD answers as GET does, without the body', async (t) => {
    const strict = { rejectNonStandardBodyWrites: true };
    const port = await serve(t, http.createServer(strict, fakes().route()));
    for (const target of ['/debug/memory', '/debug/memory?unit=MB']) {
      const get = await ask(port, { path: target });
      const head = await ask(port, { path: target, method: 'HEAD' });
      assert.equal(head.status, 200);
      assert.equal(head.text, '');
      const { date: _, ...headers } = head.headers;
      const { date: __, ...expected } = get.headers;
      assert.deepEqual(headers, expected);
    }
  });

  it('others get 405 with Allow', async (t) => {
    const { route, calls } = fakes();
    const port = await serve(t, route());
    for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']) {
      const answer = await ask(port, { method });
      refused(answer, 405, 'ERR_HEAPGAP_METHOD_NOT_ALLOWED');
      assert.equal(answer.headers.allow, 'GET, HEAD');
    }
    for (const method of ['GET', 'PUT', 'DELETE', 'OPTIONS']) {
      const answer = await ask(port, { method, path: '/debug/memory/purge' });
      refused(answer, 405, 'ERR_HEAPGAP_METHOD_NOT_ALLOWED');
      assert.equal(answer.headers.allow, 'POST');
    }
    const head = await ask(port, { method: 'HEAD', path: '/debug/memory/purge' });
    assert.equal(head.status, 405);
    assert.deepEqual(calls, NEVER);
  });

  it('the path comes before the method, the method before access', async (t) => {
    const port = await serve(t, fakes().route({ token: TOKEN }));
    refused(await ask(port, { method: 'PUT', path: '/x' }), 404, 'ERR_HEAPGAP_NOT_FOUND');
    refused(await ask(port, { method: 'PUT' }), 405, 'ERR_HEAPGAP_METHOD_NOT_ALLOWED');
    refused(await ask(port), 401, 'ERR_HEAPGAP_UNAUTHORIZED');
    // Cross-site comes after access: a stranger is not told more.
    const foreign = { 'Sec-Fetch-Site': 'cross-site' };
    refused(await post(port, foreign), 401, 'ERR_HEAPGAP_UNAUTHORIZED');
  });
});

describe('access by default', () => {
  const PROXY_HEADERS = [
    'Forwarded',
    'Via',
    'X-Forwarded',
    'X-Forwarded-For',
    'X-Forwarded-Host',
    'X-Forwarded-Proto',
    'X-Forwarded-Anything',
    'Forwarded-For',
    'X-Original-Forwarded-For',
    'X-Original-Host',
    'X-Real-IP',
    'X-Client-IP',
    'X-Cluster-Client-IP',
    'True-Client-IP',
    'CF-Connecting-IP',
    'CF-Connecting-IPv6',
    'CF-Ray',
    'CDN-Loop',
    'Fastly-Client-IP',
    'Fly-Client-IP',
    'X-Envoy-External-Address',
    'X-ProxyUser-Ip',
    'X-Appengine-User-IP',
    'X-Azure-ClientIP',
    'WL-Proxy-Client-IP',
    'X-Remote-Addr',
  ];

  it('refuses both GET and purge when any header of a proxy is there', async (t) => {
    const { route, calls } = fakes();
    const port = await serve(t, route());
    for (const name of PROXY_HEADERS) {
      for (const value of ['127.0.0.1', '']) {
        const headers = { [name]: value };
        refused(await ask(port, { headers }), 403, 'ERR_HEAPGAP_FORBIDDEN');
        refused(await post(port, headers), 403, 'ERR_HEAPGAP_FORBIDDEN');
      }
    }
    assert.deepEqual(calls, NEVER);
  });

  it('lets ordinary headers of a direct client through', async (t) => {
    const port = await serve(t, fakes().route());
    const headers = {
      'X-Request-Id': '1',
      'User-Agent': 'curl/8',
      Accept: '*/*',
      'X-Zip': '1',
      Connection: 'close',
      'Sec-Fetch-Site': 'cross-site',
    };
    assert.equal((await ask(port, { headers })).status, 200);
  });

  it('tells what would open it, and nothing of its inside', async (t) => {
    const port = await serve(t, fakes().route());
    const { json } = await ask(port, { headers: { Via: '1.1 x' } });
    assert.match(json.error.message, /`authorize`.*`token`/);
    assert.doesNotMatch(json.error.message, /127|via|host/i);
  });

  const LOCAL_HOSTS = [
    'localhost',
    'LOCALHOST:8080',
    'app.localhost',
    'a.b-c.localhost:1',
    '127.0.0.1',
    '127.9.8.7:65535',
    '[::1]',
    '[::1]:3000',
  ];
  for (const host of LOCAL_HOSTS) {
    it(`lets Host ${host} in`, async (t) => {
      const port = await serve(t, fakes().route());
      assert.equal((await ask(port, { headers: { Host: host } })).status, 200);
    });
  }

  const FOREIGN_HOSTS = [
    'example.com',
    'example.com:80',
    'localhost.example.com',
    'notlocalhost',
    '127.0.0.1.example.com',
    '127.0.0.1@example.com',
    'example.com/.localhost',
    'example.com#.localhost',
    '128.0.0.1',
    '10.0.0.1',
    '0.0.0.0',
    '127.0.0.1.',
    '127.0.0.256',
    '[::2]',
    '[::ffff:10.0.0.1]',
    '::1',
    'localhost:80:80',
    'localhost, localhost',
    '.localhost',
  ];
  for (const host of FOREIGN_HOSTS) {
    it(`refuses Host ${JSON.stringify(host)}: DNS rebinding`, async (t) => {
      const { route, calls } = fakes();
      const port = await serve(t, route());
      const headers = { Host: host };
      refused(await ask(port, { headers }), 403, 'ERR_HEAPGAP_FORBIDDEN');
      refused(await post(port, headers), 403, 'ERR_HEAPGAP_FORBIDDEN');
      assert.equal(calls.purge, 0);
    });
  }

  it('refuses an empty Host', async (t) => {
    const port = await serve(t, fakes().route());
    const get = 'GET /debug/memory HTTP/1.1\r\nConnection: close\r\n';
    assert.equal((await say(port, `${get}Host:\r\n\r\n`)).status, 403);
    assert.equal((await say(port, `${get}Host: localhost\r\n\r\n`)).status, 200);
  });

  it('HTTP/1.0 needs no Host, but a foreign one is refused', async (t) => {
    const port = await serve(t, fakes().route());
    const get = 'GET /debug/memory HTTP/1.0\r\n';
    assert.equal((await say(port, `${get}\r\n`)).status, 200);
    assert.equal((await say(port, `${get}Host: 127.0.0.1\r\n\r\n`)).status, 200);
    assert.equal((await say(port, `${get}Host: example.com\r\n\r\n`)).status, 403);
  });

  it('refuses what nginx sends with nothing but proxy_pass', async (t) => {
    const port = await serve(t, fakes().route());
    const passed = 'Host: 127.0.0.1:3000\r\nConnection: close\r\n\r\n';
    assert.equal((await say(port, `GET /debug/memory HTTP/1.0\r\n${passed}`)).status, 403);
    assert.equal((await say(port, `GET /debug/memory HTTP/1.1\r\n${passed}`)).status, 200);
  });

  const STRANGERS = [
    '203.0.113.9',
    '::ffff:10.0.0.1',
    '10.0.0.1',
    '126.255.255.255',
    '128.0.0.1',
    '2001:db8::1',
    '::',
    '0.0.0.0',
    '::127.0.0.1',
    '',
    'localhost',
    '127.0.0.1.example.com',
  ];
  for (const peer of STRANGERS) {
    it(`refuses the peer ${JSON.stringify(peer)}`, async (t) => {
      const { route, calls } = fakes();
      const port = await serve(t, route(), { peer });
      refused(await ask(port), 403, 'ERR_HEAPGAP_FORBIDDEN');
      refused(await post(port), 403, 'ERR_HEAPGAP_FORBIDDEN');
      assert.deepEqual(calls, NEVER);
    });
  }

  for (const peer of ['127.0.0.1', '127.255.0.9', '::1', '::ffff:127.0.0.1', '::ffff:7f01:203']) {
    it(`lets the peer ${peer} in`, async (t) => {
      const port = await serve(t, fakes().route(), { peer });
      assert.equal((await ask(port)).status, 200);
    });
  }

  const outside = Object.values(os.networkInterfaces())
    .flat()
    .find(({ family, internal }) => family === 'IPv4' && !internal);
  const skip = outside === undefined && 'this machine has no address but loopback';
  it("refuses a peer on this machine's outer address", { skip }, async (t) => {
    const port = await serve(t, fakes().route(), { where: { port: 0, host: '0.0.0.0' } });
    const headers = { Host: 'localhost' };
    const answer = await ask(port, { host: outside.address, headers });
    refused(answer, 403, 'ERR_HEAPGAP_FORBIDDEN');
    assert.equal((await ask(port, { headers })).status, 200);
  });

  it('refuses a peer without an address: a unix socket', async (t) => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'heapgap-'));
    t.after(() => fs.rmSync(folder, { recursive: true }));
    const where = { path: path.join(folder, 'socket') };
    const local = await serve(t, fakes().route(), { where });
    const headers = { Host: 'localhost' };
    refused(await ask(local, { headers }), 403, 'ERR_HEAPGAP_FORBIDDEN');

    const open = await serve(t, fakes().route({ token: TOKEN }), {
      where: { path: path.join(folder, 'open') },
    });
    assert.equal((await ask(open, { headers: BEARER })).status, 200);
  });

  for (const [framework, create] of FRAMEWORKS) {
    it(`${framework}: "trust proxy" makes no stranger local`, async (t) => {
      const app = create().set('trust proxy', true).use('/debug/memory', fakes().route());
      app.use('/ip', (req, res) => res.send(req.ip));
      const port = await serve(t, app, { peer: '203.0.113.9' });
      const headers = { 'X-Forwarded-For': '127.0.0.1' };
      assert.equal((await ask(port, { path: '/ip', headers })).text, '127.0.0.1');
      refused(await ask(port, { headers }), 403, 'ERR_HEAPGAP_FORBIDDEN');
      refused(await ask(port), 403, 'ERR_HEAPGAP_FORBIDDEN');
    });
  }
});

describe('access by token', () => {
  it('lets the bearer in, wherever from', async (t) => {
    const { route, calls } = fakes();
    const port = await serve(t, route({ token: TOKEN }), { peer: '203.0.113.9' });
    const headers = { ...BEARER, Host: 'example.com', 'X-Forwarded-For': '203.0.113.9' };
    assert.equal((await ask(port, { headers })).status, 200);
    assert.equal((await post(port, headers)).status, 200);
    assert.equal(calls.purge, 1);
    for (const scheme of ['bearer', 'BEARER', 'bEaReR ']) {
      const again = { Authorization: `${scheme} ${TOKEN}` };
      assert.equal((await ask(port, { headers: again })).status, 200);
    }
  });

  const WRONG = [
    undefined,
    '',
    'Bearer',
    'Bearer ',
    `Bearer ${TOKEN}x`,
    `Bearer ${TOKEN.slice(0, -1)}`,
    `Bearer ${TOKEN.toUpperCase()}`,
    `Bearer x ${TOKEN}`,
    `Bearer${TOKEN}`,
    `Basic ${TOKEN}`,
    `x Bearer ${TOKEN}`,
    TOKEN,
  ];
  for (const authorization of WRONG) {
    it(`refuses Authorization ${JSON.stringify(authorization)}, even from loopback`, async (t) => {
      const { route, calls } = fakes();
      const port = await serve(t, route({ token: TOKEN }));
      const headers = authorization === undefined ? {} : { Authorization: authorization };
      for (const answer of [await ask(port, { headers }), await post(port, headers)]) {
        refused(answer, 401, 'ERR_HEAPGAP_UNAUTHORIZED');
        assert.equal(answer.headers['www-authenticate'], 'Bearer');
        assert.doesNotMatch(answer.text, /correct horse/);
      }
      assert.deepEqual(calls, NEVER);
    });
  }

  for (const token of ['', 'short', 'x'.repeat(15), `${'x'.repeat(16)}\n`, 'é'.repeat(16)]) {
    it(`refuses the option token ${JSON.stringify(token)} without showing it`, () => {
      assert.throws(() => fakes().route({ token }), {
        name: 'RangeError',
        code: 'ERR_HEAPGAP_INVALID_ARG_VALUE',
        message:
          'expected `token` to be a string of at least 16 printable ASCII characters, ' +
          `got string of ${token.length} characters`,
      });
    });
  }

  it('refuses null for token; takes undefined as not given', async (t) => {
    assert.throws(() => fakes().route({ token: null }), {
      name: 'TypeError',
      message: /`token`.*got null$/,
    });
    const route = fakes().route({ token: undefined });
    const port = await serve(t, route);
    assert.equal((await ask(port)).status, 200);
    const proxied = await ask(port, { headers: { Via: '1.1 x' } });
    refused(proxied, 403, 'ERR_HEAPGAP_FORBIDDEN');
  });

  it('refuses token and authorize together', () => {
    assert.throws(() => fakes().route({ token: TOKEN, authorize: () => true }), {
      name: 'TypeError',
      code: 'ERR_HEAPGAP_INVALID_ARG_TYPE',
      message: 'expected `authorize` to be left out when `token` is given, got function',
    });
  });
});

describe('access by token as a password: HTTP Basic', () => {
  const basic = (text, encoding) => `Basic ${Buffer.from(text, encoding).toString('base64')}`;
  const CHALLENGE = 'Bearer, Basic realm="heapgap", charset="UTF-8"';
  const HTML = { Accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8' };

  it('lets it in whatever the name, wherever from', async (t) => {
    const port = await serve(t, fakes().route({ token: TOKEN }), { peer: '203.0.113.9' });
    for (const name of ['', 'x', 'heapgap', 'jörg', '用户', ' ', 'x'.repeat(1000)]) {
      const headers = { Authorization: basic(`${name}:${TOKEN}`), Host: 'example.com' };
      assert.equal((await ask(port, { headers })).status, 200, name);
    }
    for (const scheme of ['basic', 'BASIC', 'bAsIc ']) {
      const headers = { Authorization: basic(`x:${TOKEN}`).replace('Basic', scheme) };
      assert.equal((await ask(port, { headers })).status, 200, scheme);
    }
    const headers = { Authorization: basic(`x:${TOKEN}`) };
    assert.equal((await post(port, headers)).status, 200);
  });

  it('a token may have colons, and a name may not', async (t) => {
    const token = 'a token: of :: many colons:';
    const port = await serve(t, fakes().route({ token }));
    const statusOf = async (text) =>
      (await ask(port, { headers: { Authorization: basic(text) } })).status;
    assert.equal(await statusOf(`x:${token}`), 200);
    assert.equal(await statusOf(`:${token}`), 200);
    assert.equal(await statusOf(token), 401);
    assert.equal(await statusOf(`x:y:${token}`), 401);
  });

  const WRONG = {
    'no colon': basic(TOKEN),
    'the token as the name': basic(`${TOKEN}:`),
    'name and token': basic(`${TOKEN}:${TOKEN}x`),
    'a longer one': basic(`x:${TOKEN} `),
    'a shorter one': basic(`x:${TOKEN.slice(0, -1)}`),
    'a null before it': basic(`x:\0${TOKEN}`),
    'a line break after it': basic(`x:${TOKEN}\n`),
    'UTF-16': basic(`x:${TOKEN}`, 'utf16le'),
    'no base64': `Basic x:${TOKEN}`,
    garbage: 'Basic ====',
    'bytes that are no UTF-8': `Basic ${Buffer.from([0xff, 0x3a, 0xfe]).toString('base64')}`,
    nothing: 'Basic ',
    'two of them': `${basic(`x:${TOKEN}`)}, ${basic(`x:${TOKEN}`)}x`,
    'base64 as a bearer': basic(`x:${TOKEN}`).replace('Basic', 'Bearer'),
  };
  for (const [title, authorization] of Object.entries(WRONG)) {
    it(`refuses ${title}`, async (t) => {
      const { route, calls } = fakes();
      const port = await serve(t, route({ token: TOKEN }));
      const headers = { Authorization: authorization };
      for (const answer of [await ask(port, { headers }), await post(port, headers)]) {
        refused(answer, 401, 'ERR_HEAPGAP_UNAUTHORIZED');
        assert.equal(answer.headers['www-authenticate'], 'Bearer');
        assert.doesNotMatch(answer.text, /correct horse/);
      }
      assert.deepEqual(calls, NEVER);
    });
  }

  it('asks only those who prefer HTML: a program has nobody to type it', async (t) => {
    const port = await serve(t, fakes().route({ token: TOKEN }));
    for (const target of ['', '/page/x.js', '/live', '/inspect', '/metrics']) {
      const challenged = await ask(port, { path: `/debug/memory${target}`, headers: HTML });
      refused(challenged, 401, 'ERR_HEAPGAP_UNAUTHORIZED');
      assert.equal(challenged.headers['www-authenticate'], CHALLENGE);
    }
    for (const accept of ['*/*', 'application/json', 'text/event-stream', 'image/*']) {
      const { headers } = await ask(port, { headers: { Accept: accept } });
      assert.equal(headers['www-authenticate'], 'Bearer', accept);
    }
  });

  it('counts for nothing where there is no token', async (t) => {
    const headers = { Authorization: basic(`x:${TOKEN}`), Via: '1.1 x', ...HTML };
    const local = await ask(await serve(t, fakes().route()), { headers });
    refused(local, 403, 'ERR_HEAPGAP_FORBIDDEN');
    assert.equal(local.headers['www-authenticate'], undefined);
    const authorize = () => false;
    const denied = await ask(await serve(t, fakes().route({ authorize })), { headers });
    refused(denied, 403, 'ERR_HEAPGAP_FORBIDDEN');
    assert.equal(denied.headers['www-authenticate'], undefined);
  });

  it('that a browser adds by itself is of no use to another site', async (t) => {
    const { route, calls } = fakes();
    const port = await serve(t, route({ token: TOKEN, heapSnapshot: true }));
    const FOREIGN = [{ 'Sec-Fetch-Site': 'cross-site' }, { Origin: 'http://evil.example' }];
    for (const foreign of FOREIGN) {
      const headers = { Authorization: basic(`x:${TOKEN}`), ...foreign };
      for (const target of ['live', 'heap-snapshot']) {
        const answer = await ask(port, { path: `/debug/memory/${target}`, headers });
        refused(answer, 403, 'ERR_HEAPGAP_CROSS_SITE');
      }
      refused(await post(port, headers), 403, 'ERR_HEAPGAP_CROSS_SITE');
      assert.equal(calls.purge, 0);
      // What only reads may be asked for, as by a link, and cannot be read there.
      for (const target of ['', '/inspect']) {
        const answer = await ask(port, { path: `/debug/memory${target}`, headers });
        assert.equal(answer.status, 200);
        hasCommonHeaders(answer);
      }
    }
  });
});

describe('access by authorize', () => {
  for (const authorize of [() => true, async () => true]) {
    it(`lets in by ${authorize}, wherever from`, async (t) => {
      const port = await serve(t, fakes().route({ authorize }), { peer: '203.0.113.9' });
      const headers = { Host: 'example.com', Via: '1.1 x' };
      assert.equal((await ask(port, { headers })).status, 200);
      assert.equal((await post(port, headers)).status, 200);
    });
  }

  const DENYING = [
    () => false,
    () => undefined,
    () => 1,
    () => 'true',
    () => ({}),
    () => Object(true),
    async () => false,
    async () => 'yes',
    () => {
      throw new Error('secret detail');
    },
    () => Promise.reject(new Error('secret detail')),
    () => Promise.reject(),
  ];
  for (const authorize of DENYING) {
    it(`denies by ${authorize}, even from loopback`, async (t) => {
      const { route, calls } = fakes();
      const port = await serve(t, route({ authorize }));
      for (const answer of [await ask(port), await post(port)]) {
        refused(answer, 403, 'ERR_HEAPGAP_FORBIDDEN');
        assert.doesNotMatch(answer.text, /secret detail/);
      }
      assert.deepEqual(calls, NEVER);
    });
  }

  it('is given the request', async (t) => {
    const authorize = (req) => req.headers['x-who'] === 'ops';
    const port = await serve(t, fakes().route({ authorize }));
    assert.equal((await ask(port, { headers: { 'X-Who': 'ops' } })).status, 200);
    assert.equal((await ask(port, { headers: { 'X-Who': 'dev' } })).status, 403);
  });

  it('must be a function', () => {
    assert.throws(() => fakes().route({ authorize: true }), {
      message: 'expected `authorize` to be a function, got boolean true',
    });
  });
});

describe('cross-site purges', () => {
  const FOREIGN = [
    { 'Sec-Fetch-Site': 'cross-site' },
    { 'Sec-Fetch-Site': 'same-site' },
    { 'Sec-Fetch-Site': '' },
    { 'Sec-Fetch-Site': 'same-origin, none' },
    { 'Sec-Fetch-Site': 'cross-site', Origin: 'http://localhost:3000' },
    { Origin: 'null' },
    { Origin: '' },
    { Origin: 'garbage' },
    { Origin: 'http://' },
    { Origin: 'http://evil.example' },
    { Origin: 'http://localhost:3001' },
    { Origin: 'http://localhost' },
    { Origin: 'http://localhost:3000.evil.example' },
    { Origin: 'http://localhost:3000@evil.example' },
    { Origin: 'app://localhost:3000' },
    { Origin: 'null', 'Sec-Fetch-Site': 'same-origin' },
    { Origin: 'http://evil.example', 'Sec-Fetch-Site': 'none' },
    { Origin: 'http://evil.example', Referer: 'http://localhost:3000/' },
    { Referer: 'http://evil.example/?http://localhost:3000' },
    { Referer: 'garbage' },
    { Referer: '' },
  ];
  const OWN = [
    {},
    { 'Sec-Fetch-Site': 'same-origin' },
    { 'Sec-Fetch-Site': 'none' },
    { Origin: 'http://localhost:3000' },
    { Origin: 'https://localhost:3000' },
    { Origin: 'http://LOCALHOST:3000' },
    { Origin: 'http://localhost:3000', 'Sec-Fetch-Site': 'same-origin' },
    { Origin: 'http://localhost:3000', Referer: 'http://evil.example/' },
    { Referer: 'http://localhost:3000/debug/memory?x' },
    { Referer: 'http://evil.example/', 'Sec-Fetch-Site': 'same-origin' },
  ];
  const ACCESS = {
    'by default': [{}, {}],
    'with a token': [{ token: TOKEN }, BEARER],
    'with authorize': [{ authorize: () => true }, {}],
  };

  for (const [title, [options, credentials]] of Object.entries(ACCESS)) {
    it(`are refused ${title}`, async (t) => {
      const { route, calls } = fakes();
      const port = await serve(t, route(options));
      for (const headers of FOREIGN) {
        const all = { Host: 'localhost:3000', ...credentials, ...headers };
        refused(await post(port, all), 403, 'ERR_HEAPGAP_CROSS_SITE');
      }
      assert.equal(calls.purge, 0);
    });

    it(`are told from one's own ${title}`, async (t) => {
      const { route, calls } = fakes();
      const port = await serve(t, route({ ...options, minIntervalMs: 0 }));
      for (const headers of OWN) {
        const all = { Host: 'localhost:3000', ...credentials, ...headers };
        assert.equal((await post(port, all)).status, 200, JSON.stringify(headers));
      }
      assert.equal(calls.purge, OWN.length);
    });
  }

  it('takes a default port for what it is', async (t) => {
    const port = await serve(t, fakes().route({ token: TOKEN, minIntervalMs: 0 }));
    const from = (origin, host) => post(port, { ...BEARER, Origin: origin, Host: host });
    assert.equal((await from('https://example.com', 'example.com:443')).status, 200);
    assert.equal((await from('http://example.com', 'Example.com')).status, 200);
    assert.equal((await from('https://example.com', 'example.com:80')).status, 403);
  });

  it('has no Host to compare with in HTTP/1.0', async (t) => {
    const port = await serve(t, fakes().route({ minIntervalMs: 0 }));
    const purge = 'POST /debug/memory/purge HTTP/1.0\r\n';
    assert.equal((await say(port, `${purge}Origin: http://undefined\r\n\r\n`)).status, 403);
    assert.equal((await say(port, `${purge}\r\n`)).status, 200);
  });

  it('come before the rate limit', async (t) => {
    const port = await serve(t, fakes().route());
    assert.equal((await post(port)).status, 200);
    refused(await post(port, { Origin: 'null' }), 403, 'ERR_HEAPGAP_CROSS_SITE');
    refused(await post(port), 429, 'ERR_HEAPGAP_RATE_LIMITED');
  });

  for (const [framework, create] of FRAMEWORKS) {
    it(`${framework}: CORS headers set by the application are taken off`, async (t) => {
      const app = create();
      app.use((_req, res, next) => {
        res.set({
          'Access-Control-Allow-Origin': '*',
          'Access-Control-Allow-Credentials': 'true',
          'X-App': '1',
        });
        next();
      });
      app.use('/debug/memory', fakes().route());
      const answer = await ask(await serve(t, app), { headers: { Origin: 'http://a.example' } });
      assert.equal(answer.status, 200);
      assert.equal(answer.headers['x-app'], '1');
      hasCommonHeaders(answer);
    });
  }
});

describe('purge of one process of many: ?pid=', () => {
  const purgeOf = (port, query) => post(port, {}, `/debug/memory/purge?${query}`);

  it('is done where it is this one', async (t) => {
    const { route, calls } = fakes();
    const port = await serve(t, route({ minIntervalMs: 0 }));
    for (const query of [`pid=${process.pid}`, `x=1&pid=${process.pid}`]) {
      assert.deepEqual((await purgeOf(port, query)).json, REPORT);
    }
    assert.equal(calls.purge, 2);
  });

  it('is refused where it is another, which counts as no purge', async (t) => {
    const { route, calls } = fakes();
    const port = await serve(t, route());
    for (const other of [process.pid + 1, 1, 9_999_999_999, `${process.pid}0`]) {
      const answer = await purgeOf(port, `pid=${other}`);
      refused(answer, 409, 'ERR_HEAPGAP_OTHER_PROCESS');
      assert.match(answer.json.error.message, new RegExp(`process ${process.pid}, not ${other};`));
    }
    assert.equal(calls.purge, 0);
    assert.equal((await purgeOf(port, `pid=${process.pid}`)).status, 200);
    refused(await purgeOf(port, 'pid=1'), 409, 'ERR_HEAPGAP_OTHER_PROCESS');
    refused(await purgeOf(port, `pid=${process.pid}`), 429, 'ERR_HEAPGAP_RATE_LIMITED');
  });

  const GARBAGE = [
    'pid=',
    'pid',
    'pid=0',
    'pid=-1',
    'pid=x',
    'pid=1.0',
    'pid=1e3',
    'pid=0x1',
    `pid=0${process.pid}`,
    `pid=%20${process.pid}`,
    `pid=${process.pid}%0a`,
    `pid=${process.pid}&pid=${process.pid}`,
    `pid=${'1'.repeat(5000)}`,
  ];
  for (const query of GARBAGE) {
    it(`?${query.slice(0, 40)} is refused`, async (t) => {
      const { route, calls } = fakes();
      const port = await serve(t, route());
      const answer = await purgeOf(port, query);
      refused(answer, 400, 'ERR_HEAPGAP_INVALID_ARG_TYPE');
      assert.match(answer.json.error.message, /^expected `pid` to be a process id, given once/);
      assert.ok(answer.text.length < 500);
      assert.equal(calls.purge, 0);
      assert.equal((await post(port)).status, 200);
    });
  }

  it('comes after access and another site’s', async (t) => {
    const port = await serve(t, fakes().route({ token: TOKEN }));
    refused(await purgeOf(port, 'pid=1'), 401, 'ERR_HEAPGAP_UNAUTHORIZED');
    const foreign = { ...BEARER, Origin: 'null' };
    const target = '/debug/memory/purge?pid=1';
    refused(await post(port, foreign, target), 403, 'ERR_HEAPGAP_CROSS_SITE');
  });
});

describe('purge', () => {
  it('answers with the report', async (t) => {
    const port = await serve(t, fakes().route());
    const answer = await post(port);
    assert.equal(answer.status, 200);
    assert.equal(answer.text, `${JSON.stringify(REPORT, null, 2)}\n`);
    hasCommonHeaders(answer);
  });

  it('rests minIntervalMs after the last run finished', async (t) => {
    let run = deferred();
    const { route, calls, clock } = fakes({ purge: () => run.promise });
    const port = await serve(t, route({ minIntervalMs: 5000 }));

    const first = post(port);
    await until(() => calls.purge === 1);
    clock.ms += 60_000;
    run.resolve(REPORT);
    assert.equal((await first).status, 200);

    for (const [after, retryAfter] of [
      [0, '5'],
      [3999, '2'],
      [1, '1'],
      [999, '1'],
    ]) {
      clock.ms += after;
      const answer = await post(port);
      refused(answer, 429, 'ERR_HEAPGAP_RATE_LIMITED');
      assert.equal(answer.headers['retry-after'], retryAfter);
    }
    assert.equal(calls.purge, 1);

    run = deferred();
    run.resolve(REPORT);
    clock.ms += 1;
    assert.equal((await post(port)).status, 200);
    assert.equal(calls.purge, 2);
  });

  it('rests 10 s by default, and not at all for 0', async (t) => {
    const { route, clock } = fakes();
    const byDefault = await serve(t, route());
    const unlimited = await serve(t, route({ minIntervalMs: 0 }));
    assert.equal((await post(byDefault)).status, 200);
    clock.ms += 9999;
    assert.equal((await post(byDefault)).headers['retry-after'], '1');
    clock.ms += 1;
    assert.equal((await post(byDefault)).status, 200);
    for (let i = 0; i < 3; i++) assert.equal((await post(unlimited)).status, 200);
  });

  it('is one run for all who ask meanwhile, even when it takes longer than the rest', async (t) => {
    let run = deferred();
    const { route, calls, clock } = fakes({ purge: () => run.promise });
    const handler = route();
    let arrived = 0;
    const port = await serve(t, (req, res) => {
      handler(req, res);
      arrived += 1;
    });
    // Not the first run of this handler, so that its rest is over while the second is under way.
    for (let round = 1; round <= 2; round++) {
      run = deferred();
      arrived = 0;
      const asked = [post(port), post(port), post(port)];
      await until(() => arrived === 3);
      clock.ms += 20_000;
      const late = post(port);
      await until(() => arrived === 4);
      run.resolve({ ...REPORT, round });
      for (const answer of await Promise.all([...asked, late])) {
        assert.equal(answer.status, 200);
        assert.equal(answer.json.round, round);
      }
      assert.equal(calls.purge, round);
      clock.ms += 10_000;
    }
  });

  it('a failed run is told to all who share it, and rests like any other', async (t) => {
    const run = deferred();
    const { route, calls } = fakes({ purge: () => run.promise });
    const handler = route();
    let arrived = 0;
    const port = await serve(t, (req, res) => {
      handler(req, res);
      arrived += 1;
    });
    const asked = [post(port), post(port)];
    await until(() => arrived === 2);
    run.reject(new Error('at /some/internal/path'));
    for (const answer of await Promise.all(asked)) {
      refused(answer, 500, 'ERR_HEAPGAP_INTERNAL');
      assert.doesNotMatch(answer.text, /internal\/path/);
    }
    assert.equal(calls.purge, 1);
    refused(await post(port), 429, 'ERR_HEAPGAP_RATE_LIMITED');
  });

  const FAILURES = [
    [Object.assign(new Error('busy'), { code: 'ERR_HEAPGAP_BUSY' }), 'ERR_HEAPGAP_BUSY', /busy/],
    [Object.assign(new Error('hidden'), { code: 'EACCES' }), 'ERR_HEAPGAP_INTERNAL'],
    [Object.assign(new Error('hidden'), { code: 5 }), 'ERR_HEAPGAP_INTERNAL'],
    ['hidden', 'ERR_HEAPGAP_INTERNAL'],
    [undefined, 'ERR_HEAPGAP_INTERNAL'],
    [null, 'ERR_HEAPGAP_INTERNAL'],
  ];
  for (const [failure, code, message = /^heapgap failed to answer this request$/] of FAILURES) {
    it(`that fails with ${failure?.code ?? failure} answers ${code}`, async (t) => {
      const rejecting = () => Promise.reject(failure);
      const throwing = () => {
        throw failure;
      };
      for (const purge of [rejecting, throwing]) {
        const answer = await post(await serve(t, fakes({ purge }).route()));
        refused(answer, 500, code);
        assert.match(answer.json.error.message, message);
        assert.doesNotMatch(answer.text, /hidden|stack/);
      }
    });
  }

  for (const report of [undefined, { big: 5n }]) {
    it(`answers even for the report ${report && 'that JSON cannot say'}`, async (t) => {
      const answer = await post(await serve(t, fakes({ purge: async () => report }).route()));
      assert.equal(answer.status, report === undefined ? 200 : 500);
      hasCommonHeaders(answer);
    });
  }

  for (const wrong of [-1, Number.NaN, Number.POSITIVE_INFINITY, '5s', null]) {
    it(`refuses the option minIntervalMs ${wrong}`, () => {
      assert.throws(() => fakes().route({ minIntervalMs: wrong }), {
        name: typeof wrong === 'number' ? 'RangeError' : 'TypeError',
        message: /^expected `minIntervalMs` to be a non-negative number, got /,
      });
    });
  }
});

describe('figures', () => {
  const NAMES = ['rss', 'heapTotal', 'heapUsed', 'external', 'arrayBuffers'];

  it('are the five of process.memoryUsage() in bytes, the diagnosis, then the snapshot', async (t) => {
    const port = await serve(t, fakes().route());
    for (const target of ['/debug/memory', '/debug/memory?unit=B', '/debug/memory?a=b&unit=B']) {
      const answer = await ask(port, { path: target });
      const five = {
        rss: 485 * MB,
        heapTotal: 300 * MB,
        heapUsed: 280.5 * MB,
        external: 1234,
        arrayBuffers: null,
      };
      const expected = { ...five, ...DIAGNOSIS, ...SNAPSHOT };
      assert.equal(answer.text, `${JSON.stringify(expected, null, 2)}\n`);
      assert.deepEqual(Object.keys(answer.json).slice(0, 5), NAMES);
      hasCommonHeaders(answer);
    }
  });

  it('are strings for unit=MB, the snapshot as it is', async (t) => {
    const port = await serve(t, fakes().route());
    const { json } = await ask(port, { path: '/debug/memory?unit=MB' });
    const expected = {
      rss: '485.00 MB',
      heapTotal: '300.00 MB',
      heapUsed: '280.50 MB',
      external: '0.00 MB',
      arrayBuffers: null,
      ...DIAGNOSIS,
      ...SNAPSHOT,
    };
    assert.deepEqual(json, expected);
  });

  const WRONG = [
    'unit=KB',
    'unit=mb',
    'unit=',
    'unit',
    'unit=MB&unit=MB',
    'unit=B&unit=MB',
    'unit=__proto__',
    'unit=constructor',
    'unit=%',
    `unit=${'x'.repeat(500)}`,
  ];
  for (const query of WRONG) {
    it(`refuse ?${query.slice(0, 40)}`, async (t) => {
      const { route, calls } = fakes();
      const answer = await ask(await serve(t, route()), { path: `/debug/memory?${query}` });
      refused(answer, 400, 'ERR_HEAPGAP_INVALID_ARG_VALUE');
      assert.match(answer.json.error.message, /^expected `unit` to be the string B or MB, /);
      assert.ok(answer.json.error.message.length < 150);
      assert.equal(calls.snapshot, 0);
    });
  }

  it('a stranger is not told about the unit', async (t) => {
    const port = await serve(t, fakes().route({ token: TOKEN }));
    refused(await ask(port, { path: '/debug/memory?unit=x' }), 401, 'ERR_HEAPGAP_UNAUTHORIZED');
  });

  it('are waited for', async (t) => {
    const snapshot = async () => {
      await new Promise(setImmediate);
      return SNAPSHOT;
    };
    const port = await serve(t, fakes({ snapshot }).route());
    assert.equal((await ask(port)).json.rss, SNAPSHOT.process.rss);
  });

  const failing = {
    rejects: () => Promise.reject(new Error('no')),
    throws: () => {
      throw new Error('no');
    },
  };
  for (const [how, snapshot] of Object.entries(failing)) {
    it(`are a 500 without its inside when the snapshot ${how}`, async (t) => {
      const port = await serve(t, fakes({ snapshot }).route());
      const answer = await ask(port);
      refused(answer, 500, 'ERR_HEAPGAP_INTERNAL');
      assert.equal(answer.json.error.message, 'heapgap failed to answer this request');
    });
  }
});

describe('what the diagnosis says', () => {
  it("is verdict, summary, findings and their window; the ledger is the snapshot's own", async (t) => {
    const { json } = await ask(await serve(t, fakes().route()));
    const { verdict, summary, findings, window, ledger } = json;
    assert.deepEqual({ verdict, summary, findings, window }, DIAGNOSIS);
    assert.deepEqual(ledger, SNAPSHOT.ledger);
  });

  it('is asked for once in 5 s, for all handlers', async (t) => {
    const run = deferred();
    const { route, calls, clock } = fakes({ diagnose: () => run.promise });
    const ports = [await serve(t, route()), await serve(t, route({ path: '/debug/memory' }))];
    const asked = ports.flatMap((port) => [ask(port), ask(port)]);
    await until(() => calls.diagnose === 1);
    clock.ms += 60_000;
    run.resolve(DIAGNOSIS);
    for (const answer of await Promise.all(asked))
      assert.deepEqual(answer.json.verdict, 'retention');
    clock.ms += 4999;
    await ask(ports[1]);
    assert.equal(calls.diagnose, 1);
    clock.ms += 1;
    await ask(ports[0]);
    assert.equal(calls.diagnose, 2);
  });

  it('rests for as long as it is told', async () => {
    const clock = { ms: 0 };
    let calls = 0;
    const ask = createRecentDiagnosis({
      diagnose: async () => {
        calls += 1;
        return DIAGNOSIS;
      },
      restMs: () => calls * 100,
      now: () => clock.ms,
    });
    const asked = [];
    for (const ms of [0, 99, 1, 199, 1]) {
      clock.ms += ms;
      await ask();
      asked.push(calls);
    }
    assert.deepEqual(asked, [1, 1, 2, 2, 3]);
  });

  const own = Object.assign(new Error('no thread'), { code: 'ERR_HEAPGAP_THREAD' });
  const inner = Object.assign(new Error('at /inside'), { code: 'ERR_HEAPGAP_INTERNAL' });
  const FAILURES = [
    ['rejects with a reason of its own', () => Promise.reject(own), 'no thread'],
    ['rejects with its inside', () => Promise.reject(inner), 'the diagnosis failed'],
    ['rejects with nothing', () => Promise.reject(), 'the diagnosis failed'],
    ['answers nothing', async () => undefined, 'the diagnosis failed'],
    [
      'throws',
      () => {
        throw new Error('at /inside');
      },
      'the diagnosis failed',
    ],
  ];
  for (const [how, diagnose, reason] of FAILURES) {
    it(`is null with a note when diagnose() ${how}; the figures are there`, async (t) => {
      const { route, calls } = fakes({ diagnose });
      const port = await serve(t, route());
      for (let i = 0; i < 2; i++) {
        const { status, json } = await ask(port);
        assert.equal(status, 200);
        assert.deepEqual([json.verdict, json.summary, json.findings], [null, null, null]);
        assert.deepEqual(json.notes, [...SNAPSHOT.notes, { field: 'findings', reason }]);
        assert.equal(json.rss, SNAPSHOT.process.rss);
      }
      assert.equal(calls.diagnose, 1);
    });
  }

  it('is not waited for without end', async (t) => {
    const run = deferred();
    const { route, calls } = fakes({ diagnose: () => run.promise });
    const port = await serve(t, route());
    const { status, json } = await ask(port);
    assert.equal(status, 200);
    assert.equal(json.findings, null);
    assert.match(json.notes.at(-1).reason, /takes more than \d+ ms/);
    run.resolve(DIAGNOSIS);
    assert.deepEqual((await ask(port)).json.findings, DIAGNOSIS.findings);
    assert.equal(calls.diagnose, 1);
  });

  it('is waited for, however long it takes, where patienceMs is null', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const run = deferred();
    const diagnose = () => run.promise;
    const hasty = createRecentDiagnosis({ diagnose })();
    const patient = createRecentDiagnosis({ diagnose, patienceMs: null })();
    t.mock.timers.tick(60_000);
    assert.match((await hasty).notes[0].reason, /takes more than 2000 ms/);
    run.resolve(DIAGNOSIS);
    const { verdict, notes } = await patient;
    assert.deepEqual([verdict, notes], ['retention', []]);
  });
});

describe('inspect', () => {
  it('answers the inspection', async (t) => {
    const port = await serve(t, fakes().route());
    for (const target of ['/debug/memory/inspect', '/debug/memory/inspect/?x']) {
      const answer = await ask(port, { path: target });
      assert.equal(answer.status, 200);
      assert.deepEqual(answer.json, INSPECTION);
      hasCommonHeaders(answer);
      const head = await ask(port, { path: target, method: 'HEAD' });
      assert.equal(head.headers['content-length'], answer.headers['content-length']);
    }
    refused(await post(port, {}, '/debug/memory/inspect'), 405, 'ERR_HEAPGAP_METHOD_NOT_ALLOWED');
  });

  it('is as closed as the rest', async (t) => {
    const { route, calls } = fakes();
    const options = { path: '/debug/memory/inspect' };
    const headers = { Via: '1.1 x' };
    const forwarded = await ask(await serve(t, route()), { ...options, headers });
    refused(forwarded, 403, 'ERR_HEAPGAP_FORBIDDEN');
    const port = await serve(t, route({ token: TOKEN }));
    refused(await ask(port, options), 401, 'ERR_HEAPGAP_UNAUTHORIZED');
    assert.deepEqual(calls, NEVER);
  });

  it('that fails is a 500 without its inside', async (t) => {
    const inspect = () => Promise.reject(new Error('at /inside'));
    const port = await serve(t, fakes({ inspect }).route());
    const answer = await ask(port, { path: '/debug/memory/inspect' });
    refused(answer, 500, 'ERR_HEAPGAP_INTERNAL');
    assert.doesNotMatch(answer.text, /inside/);
  });
});

describe('a response that is gone', () => {
  /** Serves, and keeps what the handler returned and was given. */
  async function watched(t, handler, before = () => {}) {
    const seen = {};
    const port = await serve(t, (req, res) => {
      before(res);
      Object.assign(seen, { res, done: handler(req, res) });
    });
    return { port, seen };
  }

  async function abandon(port, options, seen) {
    const req = http.request({ host: '127.0.0.1', port, agent: false, ...options });
    req.on('error', () => {});
    req.end();
    await until(() => seen.res !== undefined);
    req.destroy();
    await once(seen.res, 'close');
  }

  it('a client that leaves during a purge does no harm, and the run counts', async (t) => {
    const run = deferred();
    const { route, calls } = fakes({ purge: () => run.promise });
    const { port, seen } = await watched(t, route());
    await abandon(port, { method: 'POST', path: '/debug/memory/purge' }, seen);
    run.resolve(REPORT);
    assert.equal(await seen.done, undefined);
    assert.equal(seen.res.headersSent, false);
    assert.equal(calls.purge, 1);
    refused(await post(port), 429, 'ERR_HEAPGAP_RATE_LIMITED');
  });

  it('a client that leaves during a purge that fails does no harm', async (t) => {
    const run = deferred();
    const { port, seen } = await watched(t, fakes({ purge: () => run.promise }).route());
    await abandon(port, { method: 'POST', path: '/debug/memory/purge' }, seen);
    run.reject(new Error('no'));
    assert.equal(await seen.done, undefined);
  });

  for (const outcome of [true, false]) {
    it(`a client that leaves before authorize says ${outcome} does no harm`, async (t) => {
      const check = deferred();
      const handler = fakes().route({ authorize: () => check.promise });
      const { port, seen } = await watched(t, handler);
      await abandon(port, { path: '/debug/memory' }, seen);
      check.resolve(outcome);
      assert.equal(await seen.done, undefined);
    });
  }

  it('does nothing when someone else has answered', async (t) => {
    const { route, calls } = fakes();
    const { port, seen } = await watched(t, route(), (res) => res.end('theirs'));
    const answer = await post(port);
    assert.equal(answer.text, 'theirs');
    await seen.done;
    assert.deepEqual(calls, NEVER);
  });

  it('leaves an answer alone that came while it waited', async (t) => {
    const taken = deferred();
    const { port, seen } = await watched(t, fakes({ snapshot: () => taken.promise }).route());
    const asked = ask(port);
    await until(() => seen.res !== undefined);
    seen.res.writeHead(503).end('too late');
    taken.resolve(SNAPSHOT);
    await seen.done;
    assert.deepEqual([(await asked).status, (await asked).text], [503, 'too late']);
  });

  for (const gone of ['headersSent', 'destroyed']) {
    it(`does not touch a response that is ${gone} by then`, async () => {
      const res = fakeResponse();
      const authorize = async () => {
        res[gone] = true;
        return true;
      };
      const req = { method: 'GET', url: '/debug/memory', headers: {} };
      await fakes().route({ authorize })(req, res);
      assert.equal(res.ended, 0);
    });
  }

  it('never rejects, even when the response cannot be written', async () => {
    const handler = fakes().route({ authorize: () => true });
    for (const broken of ['setHeader', 'end', 'getHeaderNames']) {
      const res = fakeResponse();
      res[broken] = () => {
        throw new Error('broken');
      };
      const req = { method: 'GET', url: '/debug/memory', headers: {} };
      assert.equal(await handler(req, res), undefined);
    }
  });
});

it('HTTP/2', async (t) => {
  const server = http2.createServer(fakes().route());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const session = http2.connect(`http://127.0.0.1:${server.address().port}`);
  t.after(() => {
    session.destroy();
    server.close();
  });
  const send = async (fields) => {
    const stream = session.request({ ':path': '/debug/memory', ...fields });
    stream.end();
    const [headers] = await once(stream, 'response');
    let text = '';
    for await (const chunk of stream.setEncoding('utf8')) text += chunk;
    return { status: headers[':status'], headers, text, json: text ? JSON.parse(text) : undefined };
  };
  const purge = { ':method': 'POST', ':path': '/debug/memory/purge' };

  const get = await send({});
  assert.equal(get.status, 200);
  assert.equal(get.json.rss, SNAPSHOT.process.rss);
  hasCommonHeaders(get);
  const head = await send({ ':method': 'HEAD' });
  assert.equal(head.status, 200);
  assert.equal(head.text, '');
  assert.equal(head.headers['content-length'], get.headers['content-length']);

  refused(await send({ ':authority': 'evil.example' }), 403, 'ERR_HEAPGAP_FORBIDDEN');
  const twofold = { ':authority': 'evil.example', host: 'localhost' };
  refused(await send(twofold), 403, 'ERR_HEAPGAP_FORBIDDEN');
  refused(await send({ via: '2 x' }), 403, 'ERR_HEAPGAP_FORBIDDEN');
  refused(await send({ ':path': '/' }), 404, 'ERR_HEAPGAP_NOT_FOUND');
  refused(await send({ ...purge, origin: 'http://a.example' }), 403, 'ERR_HEAPGAP_CROSS_SITE');
  const own = { ':authority': 'localhost:1', origin: 'http://localhost:1' };
  assert.deepEqual((await send({ ...purge, ...own })).json, REPORT);
  const again = await send(purge);
  refused(again, 429, 'ERR_HEAPGAP_RATE_LIMITED');
  assert.equal(again.headers['retry-after'], '10');
});

it('HTTP/2: a client that leaves does no harm', async (t) => {
  const run = deferred();
  const handler = fakes({ purge: () => run.promise }).route();
  const seen = {};
  const server = http2.createServer((req, res) => {
    Object.assign(seen, { res, done: handler(req, res) });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const session = http2.connect(`http://127.0.0.1:${server.address().port}`);
  t.after(() => server.close());
  const stream = session.request({ ':method': 'POST', ':path': '/debug/memory/purge' });
  stream.on('error', () => {});
  stream.end();
  await until(() => seen.res !== undefined);
  const closed = once(seen.res, 'close');
  session.destroy();
  await closed;
  run.resolve(REPORT);
  assert.equal(await seen.done, undefined);
});

describe('any garbage', () => {
  const text = fc.string({ unit: 'binary', maxLength: 60 });
  const target = fc.oneof(
    text,
    text.map((rest) => `/debug/memory${rest}`),
    text.map((rest) => `/debug/memory/purge${rest}`),
    text.map((rest) => `/debug/memory?${rest}`),
    text.map((rest) => `/debug/memory/heap-snapshot${rest}`),
    text.map((rest) => `/debug/memory/page/${rest}`),
    text.map((rest) => `/debug/memory/purge?pid=${rest}`),
    text.map((rest) => `/debug/memory?format=${rest}`),
    fc.constantFrom(
      '/debug/memory',
      '/debug/memory/purge',
      '/debug/memory/inspect',
      '/debug/memory/heap-snapshot',
      '/debug/memory/live',
      '/debug/memory?format=html',
      '/debug/memory/page/uPlot.min.css',
    ),
  );
  const headerName = fc.oneof(
    text,
    fc.constantFrom(
      'host',
      ':authority',
      'origin',
      'referer',
      'authorization',
      'sec-fetch-site',
      'accept',
      'accept-encoding',
    ),
  );
  const headers = fc.dictionary(
    headerName,
    fc.oneof(text, fc.constantFrom('localhost', 'text/html', 'gzip')),
  );
  const method = fc.constantFrom('GET', 'HEAD', 'POST', 'OPTIONS', 'get', '');
  const request = fc.record({
    method,
    url: fc.oneof(target, fc.constant(undefined)),
    originalUrl: fc.oneof(target, fc.constant(undefined)),
    headers,
    httpVersion: fc.constantFrom('1.0', '1.1', '2.0'),
  });
  const local = fc.constantFrom('127.0.0.1', '::1', '::ffff:127.0.0.1');
  const stranger = fc.oneof(
    fc.ipV4().filter((address) => !address.startsWith('127.')),
    fc.ipV4().map((address) => `::ffff:${address.replace(/^127\./, '10.')}`),
    fc.ipV6().filter((address) => !net.isIPv6(address) || !isLocalIPv6(address)),
    text.filter((address) => net.isIP(address) === 0),
    fc.constant(undefined),
  );

  // An oracle of another make than the one under test: how WHATWG URLs write these addresses.
  function isLocalIPv6(address) {
    const { hostname } = new URL(`http://[${address}]`);
    return hostname === '[::1]' || /^\[::ffff:7f[\da-f]{2}:[\da-f]+\]$/.test(hostname);
  }

  async function handle(handler, req) {
    const res = fakeResponse();
    assert.equal(await handler(req, res), undefined);
    if (!res.isStream) assert.equal(res.ended, 1, 'answered exactly once');
    // A stream is ended by whoever looks.
    res.leave();
    return res.statusCode;
  }

  const assertAll = (...args) => fc.assert(fc.asyncProperty(...args), { numRuns: 1000 });

  it('never makes the handler throw, reject or stay silent', async () => {
    const handlers = [
      fakes().route(),
      fakes().route({ token: TOKEN }),
      fakes().route({ authorize: () => true }),
    ];
    await assertAll(
      request,
      fc.oneof(local, stranger),
      fc.constantFrom(...handlers),
      async (req, remoteAddress, handler) => {
        const status = await handle(handler, { ...req, socket: { remoteAddress } });
        assert.ok(
          [200, 400, 401, 403, 404, 405, 409, 429, 503].includes(status),
          `status ${status}`,
        );
      },
    );
  });

  it('never lets a stranger in', async () => {
    const { route, calls } = fakes();
    const handler = route();
    await assertAll(request, stranger, async (req, remoteAddress) => {
      const status = await handle(handler, { ...req, socket: { remoteAddress } });
      assert.ok([403, 404, 405].includes(status), `status ${status}`);
    });
    await assertAll(method, target, async (verb, url) => {
      const req = { method: verb, url, headers: {} };
      assert.ok([403, 404, 405].includes(await handle(handler, req)));
    });
    assert.deepEqual(calls, NEVER);
  });

  it('never lets a foreign Host or a forwarded request in', async () => {
    const { route, calls } = fakes();
    const handler = route();
    const betraying = fc.oneof(
      fc.domain().map((host) => ({ host })),
      fc.domain().map((host) => ({ ':authority': `${host}:80` })),
      text.map((value) => ({ 'x-forwarded-for': value })),
      text.map((value) => ({ forwarded: value })),
    );
    await assertAll(request, local, betraying, async (req, remoteAddress, extra) => {
      const all = { ...req.headers, ...extra };
      const status = await handle(handler, { ...req, headers: all, socket: { remoteAddress } });
      assert.ok([403, 404, 405].includes(status), `status ${status}`);
    });
    assert.deepEqual(calls, NEVER);
  });

  it('never guesses the token', async () => {
    const { route, calls } = fakes();
    const handler = route({ token: TOKEN });
    const prefix = fc.constantFrom('', 'Bearer ', `Bearer ${TOKEN} `, 'Basic ');
    const password = fc
      .tuple(text, text)
      .filter(([, after]) => after !== '')
      .map(([before, after]) => `${before}:${TOKEN}${after}`);
    const encoded = fc.oneof(text, password).map((plain) => Buffer.from(plain).toString('base64'));
    await assertAll(request, prefix, fc.oneof(text, encoded), async (req, before, rest) => {
      fc.pre(`${before}${rest}`.trim() !== `Bearer ${TOKEN}`);
      const all = { ...req.headers, authorization: before + rest };
      const status = await handle(handler, { ...req, headers: all });
      assert.ok([401, 404, 405].includes(status), `status ${status}`);
    });
    assert.deepEqual(calls, NEVER);
  });
});

describe('heapgap.route()', () => {
  const hosts = [
    ['node:http', (handler) => handler],
    ...FRAMEWORKS.map(([name, create]) => [
      name,
      (handler) => create().use('/debug/memory', handler),
    ]),
  ];
  for (const [name, host] of hosts) {
    it(`${name}: shows this process and purges it`, async (t) => {
      const { route } = require('..');
      const port = await serve(t, host(route()));

      const { status, json } = await ask(port);
      assert.equal(status, 200);
      assert.equal(json.pid, process.pid);
      assert.ok(Math.abs(json.rss - process.memoryUsage.rss()) < 64 * MB);
      assert.ok(json.heapUsed > MB && json.heapUsed <= json.heapTotal);
      assert.equal(json.rss, json.process.rss);
      const parts = Object.values(json.ledger.parts).map(({ bytes }) => bytes ?? 0);
      assert.equal(
        parts.reduce((sum, bytes) => sum + bytes, 0),
        json.ledger.rss,
      );
      assert.equal(typeof json.verdict, 'string', JSON.stringify(json.notes));
      assert.equal(typeof json.summary, 'string');
      const inMB = await ask(port, { path: '/debug/memory?unit=MB' });
      assert.match(inMB.json.rss, /^\d+\.\d\d MB$/);
      const inspected = await ask(port, { path: '/debug/memory/inspect' });
      assert.equal(inspected.json.pid, process.pid);
      assert.ok(inspected.json.mappings.count > 10);

      const purged = await post(port);
      assert.equal(purged.status, 200, purged.text);
      assert.ok(Number.isFinite(purged.json.durationMs));
      refused(await post(port), 429, 'ERR_HEAPGAP_RATE_LIMITED');
      const forwarded = { headers: { 'X-Forwarded-For': '127.0.0.1' } };
      refused(await ask(port, forwarded), 403, 'ERR_HEAPGAP_FORBIDDEN');
    });
  }
});

function fakeResponse() {
  return {
    statusCode: 0,
    headersSent: false,
    ended: 0,
    getHeaderNames: () => [],
    setHeader() {},
    isStream: false,
    leave: () => {},
    on(event, listener) {
      if (event === 'close') this.leave = listener;
      return this;
    },
    write() {
      this.headersSent = true;
      this.isStream = true;
    },
    end() {
      this.headersSent = true;
      this.ended += 1;
    },
  };
}
