'use strict';
// The page for browsers, and the files that it asks for.

const assert = require('node:assert/strict');
const { once } = require('node:events');
const fs = require('node:fs');
const http = require('node:http');
const http2 = require('node:http2');
const path = require('node:path');
const { describe, it } = require('node:test');
const { gunzipSync } = require('node:zlib');
const express = require('express');
const express4 = require('express4');
const fc = require('fast-check');
const { createRoute } = require('../lib/route.js');
const { prefersHtml, takesGzip } = require('../lib/route/accept.js');
const { runChild } = require('./support/child.js');
const { BEARER, TOKEN, ask, hasCommonHeaders, refused, serve } = require('./support/route.js');

const BASE = '/debug/memory';
const HTML = { Accept: 'text/html' };
const FOLDER = path.join(__dirname, '..', 'dashboard');
const TEMPLATE = fs.readFileSync(path.join(FOLDER, 'index.html'), 'utf8');
const UPLOT = ['uPlot.iife.min.js', 'uPlot.min.css'];
const uplotFile = (name) => path.join(path.dirname(require.resolve('uplot')), name);
const TYPES = {
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/** Everything below …/page/ by name, as it is on disk. */
const FILES = new Map(
  [
    ...fs
      .readdirSync(FOLDER)
      .filter((name) => path.extname(name) in TYPES)
      .map((name) => [name, path.join(FOLDER, name)]),
    ...UPLOT.map((name) => [name, uplotFile(name)]),
  ].map(([name, file]) => [name, fs.readFileSync(file)]),
);

const SNAPSHOT = {
  process: { rss: 4 },
  v8: { heapTotal: 3, heapUsed: 2, external: 1, arrayBuffers: 0 },
  notes: [],
};
const makeRoute = (options) =>
  createRoute({
    snapshot: async () => SNAPSHOT,
    diagnosis: async () => ({ verdict: 'healthy', notes: [] }),
    now: () => 0,
  })(options);

const pageOf = (base) => TEMPLATE.replaceAll('{{base}}', () => base);
const servedFile = (name) => `${BASE}/page/${name}`;

/** The body as it is, and what it was before it was compressed. */
async function download(port, target, headers) {
  const req = http.request({ host: '127.0.0.1', port, path: target, agent: false, headers }).end();
  const [res] = await once(req, 'response');
  const body = Buffer.concat(await res.toArray());
  const plain = res.headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body;
  return { status: res.statusCode, headers: res.headers, body, plain };
}

describe('who gets the page', () => {
  const CHROME =
    'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7';
  const PAGE = {
    Chrome: CHROME,
    Firefox: 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8',
    'an older Firefox':
      'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8',
    Safari: 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8',
    lynx: 'text/html, text/plain, text/sgml, text/css, application/xhtml+xml, */*;q=0.01',
    'who prefers it': 'application/json;q=0.5, text/html',
    'who says it in capitals': 'TEXT/HTML;Q=0.9',
    'who has spaces': ' application/json ; q=0.1 ,  text/html ; charset=utf-8 ; q=0.2 ',
  };
  const JSONS = {
    'curl, fetch() and Node.js': '*/*',
    axios: 'application/json, text/plain, */*',
    Prometheus:
      'application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1',
    'who asks for images': 'image/avif,image/webp,*/*;q=0.8',
    'who says nothing': undefined,
    'who says an empty string': '',
    'who refuses it': 'text/html;q=0',
    'who refuses it in other words': 'text/html;q=0.000, */*',
    'who prefers JSON': 'application/json, text/html;q=0.9',
    'who takes any text': 'text/*',
    'who weighs it in words': 'text/html;q=much',
    'who weighs it below zero': 'text/html;q=-1',
    'who asks for something alike': 'text/htmlx, xtext/html',
    'who asks for streams': 'text/event-stream',
  };

  const answers = async (t, headers, target = BASE) => {
    const answer = await ask(await serve(t, makeRoute()), { path: target, headers });
    assert.equal(answer.status, 200, answer.text);
    assert.match(answer.headers.vary, /^Accept\b/);
    return answer;
  };
  const isPage = (answer) => {
    assert.equal(answer.headers['content-type'], 'text/html; charset=utf-8');
    assert.equal(answer.text, pageOf('./memory/'));
  };
  const isJson = (answer) => {
    hasCommonHeaders(answer);
    assert.equal(answer.json.rss, 4);
  };
  const withAccept = (accept) => (accept === undefined ? {} : { Accept: accept });

  for (const [title, accept] of Object.entries(PAGE)) {
    it(title, async (t) => isPage(await answers(t, withAccept(accept))));
  }
  for (const [title, accept] of Object.entries(JSONS)) {
    it(`not ${title}`, async (t) => isJson(await answers(t, withAccept(accept))));
  }

  it('?format= is stronger than Accept', async (t) => {
    isPage(await answers(t, {}, `${BASE}?format=html`));
    isPage(await answers(t, { Accept: 'application/json' }, `${BASE}?format=html&unit=MB`));
    isJson(await answers(t, { Accept: CHROME }, `${BASE}?format=json`));
    const inMB = await answers(t, { Accept: CHROME }, `${BASE}?unit=MB&format=json`);
    assert.equal(inMB.json.rss, '0.00 MB');
  });

  for (const query of [
    'format=',
    'format',
    'format=HTML',
    'format=xml',
    'format=html&format=html',
  ]) {
    it(`?${query} is refused`, async (t) => {
      const answer = await ask(await serve(t, makeRoute()), {
        path: `${BASE}?${query}`,
        headers: HTML,
      });
      refused(answer, 400, 'ERR_HEAPGAP_INVALID_ARG_VALUE');
      assert.match(answer.json.error.message, /^expected `format` to be the string html or json/);
    });
  }

  it('any header is read, and quickly', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (text) => {
        assert.equal(typeof prefersHtml(text), 'boolean');
        assert.equal(typeof takesGzip(text), 'boolean');
      }),
      { numRuns: 1000 },
    );
    // More than Node.js lets in: one that took the square of it would take minutes.
    for (const part of [',', ';', ' ', 'q=', 'text/html;', 'text/html,', ';q=', '\t']) {
      prefersHtml(part.repeat(2 ** 18));
      takesGzip(part.repeat(2 ** 18));
    }
  });
});

describe('the page’s headers', () => {
  const policyOf = (headers) =>
    new Map(
      headers['content-security-policy'].split('; ').map((directive) => {
        const [name, ...sources] = directive.split(' ');
        return [name, sources];
      }),
    );

  function isGuarded({ headers }) {
    const policy = policyOf(headers);
    assert.deepEqual(policy.get('default-src'), ["'none'"]);
    assert.deepEqual(policy.get('frame-ancestors'), ["'none'"]);
    assert.deepEqual(policy.get('base-uri'), ["'none'"]);
    assert.deepEqual(policy.get('form-action'), ["'none'"]);
    for (const [name, sources] of policy) {
      if (name === 'require-trusted-types-for') continue;
      assert.equal(sources.length, 1, name);
      assert.match(sources[0], /^'(none|self)'$/, name);
    }
    assert.equal(headers['x-frame-options'], 'DENY');
    assert.equal(headers['x-content-type-options'], 'nosniff');
    assert.equal(headers['referrer-policy'], 'same-origin');
    assert.equal(headers['cross-origin-opener-policy'], 'same-origin');
    assert.equal(headers['cross-origin-resource-policy'], 'same-origin');
    assert.equal(headers['cache-control'], 'no-store');
    assert.equal(headers.vary, 'Accept, Accept-Encoding');
    assert.equal(headers['set-cookie'], undefined);
    assert.deepEqual(
      Object.keys(headers).filter((name) => name.startsWith('access-control')),
      [],
    );
  }

  it('let nothing in but what is served here, and no frame around it', async (t) => {
    const port = await serve(t, makeRoute());
    isGuarded(await ask(port, { headers: HTML }));
    for (const name of FILES.keys()) isGuarded(await ask(port, { path: servedFile(name) }));
  });

  it('and the page has no script and no style of its own that these would stop', () => {
    assert.doesNotMatch(TEMPLATE, /<script(?![^>]*\bsrc=)/i);
    assert.doesNotMatch(TEMPLATE, /<style|\sstyle=|\son\w+=|javascript:/i);
  });

  it('an application’s CORS headers are taken off', async (t) => {
    const handler = makeRoute();
    const port = await serve(t, (req, res) => {
      res.setHeader('Access-Control-Allow-Origin', '*');
      return handler(req, res);
    });
    isGuarded(await ask(port, { headers: HTML }));
  });

  it('are the same compressed, plain, and for HEAD', async (t) => {
    const strict = { rejectNonStandardBodyWrites: true };
    const port = await serve(t, http.createServer(strict, makeRoute()));
    for (const target of [`${BASE}?format=html`, servedFile(UPLOT[0])]) {
      for (const encoding of ['gzip', 'identity']) {
        const headers = { 'Accept-Encoding': encoding };
        const get = await download(port, target, headers);
        const head = await ask(port, { path: target, method: 'HEAD', headers });
        assert.equal(get.headers['content-length'], String(get.body.length));
        assert.equal(get.headers['content-encoding'], encoding === 'gzip' ? 'gzip' : undefined);
        isGuarded(get);
        assert.equal(head.text, '');
        const { date: _, ...expected } = get.headers;
        const { date: __, ...given } = head.headers;
        assert.deepEqual(given, expected);
      }
    }
  });

  it('gzip goes to those who take it', async (t) => {
    const port = await serve(t, makeRoute());
    const encodingFor = async (accepted) => {
      const headers = accepted === undefined ? {} : { 'Accept-Encoding': accepted };
      const { headers: given, plain } = await download(port, servedFile(UPLOT[0]), headers);
      assert.deepEqual(plain, FILES.get(UPLOT[0]));
      return given['content-encoding'];
    };
    for (const taken of ['gzip', 'gzip, deflate, br, zstd', 'br;q=1.0, GZIP;q=0.1']) {
      assert.equal(await encodingFor(taken), 'gzip', taken);
    }
    for (const not of [undefined, '', 'br', 'gzip;q=0', 'identity', 'xgzip']) {
      assert.equal(await encodingFor(not), undefined, not);
    }
  });
});

describe('files', () => {
  it('are what is in dashboard/, and uPlot, with their types', async (t) => {
    const port = await serve(t, makeRoute());
    for (const name of UPLOT) assert.ok(FILES.get(name).length > 0);
    for (const [name, content] of FILES) {
      const { status, headers, plain } = await download(port, servedFile(name), {});
      assert.equal(status, 200, name);
      assert.equal(headers['content-type'], TYPES[path.extname(name)]);
      assert.deepEqual(plain, content);
    }
  });

  const NONE = [
    'index.html',
    'nothing.js',
    '..',
    '.',
    '...',
    '__proto__',
    'constructor',
    'uplot',
    'uPlot.esm.js',
    'uPlot.cjs.js',
    'package.json',
    'route.js',
    '.env',
  ];
  for (const name of NONE) {
    it(`${name} is not one`, async (t) => {
      const port = await serve(t, makeRoute());
      refused(await ask(port, { path: servedFile(name) }), 404, 'ERR_HEAPGAP_NOT_FOUND');
    });
  }

  it('are for GET and HEAD', async (t) => {
    const port = await serve(t, makeRoute());
    const post = await ask(port, { path: servedFile(UPLOT[0]), method: 'POST' });
    refused(post, 405, 'ERR_HEAPGAP_METHOD_NOT_ALLOWED');
  });

  it('no path leads out of the folder', async (t) => {
    const port = await serve(t, makeRoute());
    const known = [pageOf('./memory/'), pageOf('./'), ...[...FILES.values()].map(String)];
    const piece = fc.constantFrom(
      '..',
      '.',
      '/',
      '//',
      '\\',
      '%2e%2e',
      '%2f',
      '%5c',
      '%00',
      '%',
      '..;',
      'page',
      'lib',
      'dashboard',
      'package.json',
      'index.html',
      'index.js',
      'etc/passwd',
      'C:',
      'file:///',
      '?format=html',
      '#',
      ...FILES.keys(),
    );
    const rest = fc
      .array(fc.oneof(piece, fc.webPath()), { maxLength: 8 })
      .map((all) => all.join(''));
    let served = 0;
    await fc.assert(
      fc.asyncProperty(rest, fc.boolean(), async (text, below) => {
        const target = `${BASE}/${below ? 'page/' : ''}${text}`;
        const answer = await ask(port, { path: target });
        if (answer.status === 200) {
          served += 1;
          if (!answer.json) assert.ok(known.includes(answer.text), target);
        } else assert.ok([400, 404].includes(answer.status), `${target}: ${answer.status}`);
      }),
      { numRuns: 500 },
    );
    assert.ok(served > 0, 'some of them are files');
  });

  it('without uPlot the rest works', async () => {
    const found = await runChild('route-without-uplot.js');
    assert.equal(found.page, 200);
    assert.equal(found.json, 200);
    assert.deepEqual(found.charts, [404, 404]);
    assert.deepEqual(
      found.own,
      [...FILES.keys()].filter((name) => !UPLOT.includes(name)).map(() => 200),
    );
  });
});

describe('the address that its links begin with', () => {
  /** Where a browser that has asked for `target` would look for what the page names. */
  function linked(target, base) {
    return new URL(base, `http://localhost${target}`).pathname;
  }

  /** The page at `target` says the address from which each file is found. */
  async function leadsToFiles(port, target, below) {
    const { status, text } = await ask(port, { path: target, headers: HTML });
    assert.equal(status, 200, target);
    const [, base] = baseIn(text);
    const at = linked(target, base);
    assert.equal(at, below, target);
    const file = await ask(port, { path: `${at}page/${UPLOT[1]}` });
    assert.equal(file.status, 200, `${at}page/`);
    assert.equal(file.headers['content-type'], TYPES['.css']);
    const live = await ask(port, { path: `${at}live`, method: 'HEAD' });
    assert.equal(live.status, 200);
  }

  const escaped = TEMPLATE.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  const PATTERN = new RegExp(`^${escaped.replaceAll('\\{\\{base\\}\\}', '([^]*?)')}$`);
  function baseIn(text) {
    const found = PATTERN.exec(text);
    assert.ok(found, text.slice(0, 200));
    assert.ok(found.length > 1, 'the page names it');
    assert.equal(new Set(found.slice(1)).size, 1, 'the same everywhere');
    return found;
  }

  const TARGETS = [BASE, `${BASE}/`, `${BASE}?format=html&x=/a/b`, `${BASE}/?x`];

  it('node:http', async (t) => {
    const port = await serve(t, makeRoute());
    for (const target of TARGETS) await leadsToFiles(port, target, `${BASE}/`);
    const other = await serve(t, makeRoute({ path: '/mem' }));
    for (const target of ['/mem', '/mem/']) await leadsToFiles(other, target, '/mem/');
  });

  for (const [name, create] of [
    ['Express 5', express],
    ['Express 4', express4],
  ]) {
    it(name, async (t) => {
      const mounts = [
        create().use(BASE, makeRoute()),
        create().use(makeRoute()),
        create().use('/debug', create.Router().use('/memory', makeRoute())),
      ];
      for (const app of mounts) {
        const port = await serve(t, app);
        for (const target of TARGETS) await leadsToFiles(port, target, `${BASE}/`);
      }
      const port = await serve(t, create().use('/a', create.Router().use('/b/c', makeRoute())));
      for (const target of ['/a/b/c', '/a/b/c/']) await leadsToFiles(port, target, '/a/b/c/');
    });

    it(`${name}: at the root`, async (t) => {
      const port = await serve(t, create().use('/', makeRoute({ path: '/m' })));
      await leadsToFiles(port, '/m', '/m/');
    });
  }

  it('Fastify, with a prefix', async (t) => {
    const app = require('fastify')();
    t.after(() => app.close());
    await app.register(require('heapgap/fastify'), { prefix: '/internal' });
    await app.register(require('heapgap/fastify'));
    await app.listen({ host: '127.0.0.1', port: 0 });
    const { port } = app.server.address();
    for (const target of [`/internal${BASE}`, `/internal${BASE}/`]) {
      await leadsToFiles(port, target, `/internal${BASE}/`);
    }
    await leadsToFiles(port, BASE, `${BASE}/`);
  });

  it('HTTP/2', async (t) => {
    const server = http2.createServer(makeRoute()).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const session = http2.connect(`http://127.0.0.1:${server.address().port}`);
    t.after(() => {
      session.destroy();
      server.close();
    });
    const stream = session.request({ ':path': BASE, accept: 'text/html' });
    const [headers] = await once(stream, 'response');
    assert.equal(headers[':status'], 200);
    const [, base] = baseIn((await stream.setEncoding('utf8').toArray()).join(''));
    assert.equal(base, './memory/');
  });

  it('behind a proxy that cuts a prefix off', async (t) => {
    const handler = makeRoute();
    const port = await serve(t, (req, res) => {
      req.url = req.url.replace(/^\/ops/, '');
      return handler(req, res);
    });
    await leadsToFiles(port, `/ops${BASE}`, `/ops${BASE}/`);
  });

  it('hostile characters are escaped', async (t) => {
    const app = express4().use('/:any', makeRoute());
    const port = await serve(t, app);
    const hostile = `"'><script>alert(1)</script>&{{base}}$&`.replaceAll('/', '');
    const { status, text } = await ask(port, {
      path: `/${hostile}?format=html`,
    });
    assert.equal(status, 200);
    const [, base] = baseIn(text);
    assert.equal(base, './&quot;&#39;&gt;&lt;script&gt;alert(1)&lt;script&gt;&amp;{{base}}$&amp;/');
  });

  it('is below the page, whatever was asked for', async () => {
    const handler = makeRoute({ authorize: () => true });
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'binary', maxLength: 40 }), async (rest) => {
        const res = { headers: {}, getHeaderNames: () => [], setHeader() {} };
        const body = new Promise((resolve) => {
          res.end = resolve;
        });
        const req = { method: 'GET', url: '/', originalUrl: `/x${rest}`, headers: {} };
        await handler({ ...req, url: '/?format=html' }, res);
        const [, base] = baseIn(await body);
        assert.match(base, /^\.\/[^"'<>]*$/);
        const plain = base
          .replaceAll('&quot;', '"')
          .replaceAll('&#39;', "'")
          .replaceAll('&lt;', '<')
          .replaceAll('&gt;', '>')
          .replaceAll('&amp;', '&');
        const { origin } = new URL(plain, 'http://localhost/debug/memory');
        assert.equal(origin, 'http://localhost');
      }),
      { numRuns: 500 },
    );
  });
});

describe('who is let in', () => {
  const TARGETS = [`${BASE}?format=html`, ...[...FILES.keys()].map(servedFile)];

  it('as to the rest: strangers get neither the page nor its files', async (t) => {
    const local = await serve(t, makeRoute());
    const closed = await serve(t, makeRoute({ token: TOKEN }));
    const denied = await serve(t, makeRoute({ authorize: () => false }));
    for (const target of TARGETS) {
      const at = { path: target };
      const forwarded = { ...at, headers: { ...HTML, 'X-Forwarded-For': '127.0.0.1' } };
      refused(await ask(local, forwarded), 403, 'ERR_HEAPGAP_FORBIDDEN');
      const rebound = { ...at, headers: { ...HTML, Host: 'evil.example' } };
      refused(await ask(local, rebound), 403, 'ERR_HEAPGAP_FORBIDDEN');
      refused(await ask(closed, at), 401, 'ERR_HEAPGAP_UNAUTHORIZED');
      refused(await ask(denied, at), 403, 'ERR_HEAPGAP_FORBIDDEN');
      assert.equal((await ask(closed, { ...at, headers: BEARER })).status, 200);
    }
    refused(await ask(closed, { path: servedFile('no.js') }), 401, 'ERR_HEAPGAP_UNAUTHORIZED');
    const bad = await ask(closed, { path: `${BASE}?format=x` });
    refused(bad, 401, 'ERR_HEAPGAP_UNAUTHORIZED');
  });

  it('a link from another site opens it', async (t) => {
    const port = await serve(t, makeRoute());
    const headers = { ...HTML, 'Sec-Fetch-Site': 'cross-site', Referer: 'http://wiki.example/' };
    assert.equal((await ask(port, { headers })).status, 200);
  });
});
