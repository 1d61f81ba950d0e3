'use strict';
// GET …/profile.

const assert = require('node:assert/strict');
const { once } = require('node:events');
const http = require('node:http');
const http2 = require('node:http2');
const net = require('node:net');
const { describe, it } = require('node:test');
const { gunzipSync } = require('node:zlib');
const express = require('express');
const fc = require('fast-check');
const { busy, profilerUnavailable } = require('../lib/errors.js');
const { createRoute } = require('../lib/route.js');
const { JEMALLOCS, preload } = require('./support/allocators.js');
const { NAMED, startService } = require('./support/profiled.js');
const { BEARER, TOKEN, ask, look, refused, serve, until } = require('./support/route.js');

const TARGET = '/debug/memory/profile';
const HTML = { Accept: 'text/html,application/xhtml+xml,*/*;q=0.8' };
/** As jemalloc begins its text where nothing was sampled, and where something was. */
const EMPTY = Buffer.from('heap_v2/524288\n  t*: 0: 0 [0: 0]\n  t0: 0: 0 [0: 0]\n');
const SOME = Buffer.from('heap_v2/524288\n  t*: 2: 1048576 [0: 0]\n  t0: 2: 1048576 [0: 0]\n');

/** A route with a profiler that does as it is told; `calls` has what it was asked for. */
function fakes({ why = null, active = false, text = SOME, profile } = {}) {
  const calls = [];
  const profiler = {
    why,
    active,
    async profile(options) {
      calls.push(options);
      return profile ? profile(options) : Buffer.from(`${options.format} of a time`);
    },
    async dump(options) {
      calls.push(options);
      return options.format === 'jeheap' ? text : Buffer.from(`${options.format} of all`);
    },
  };
  const snapshot = async () => ({ process: {}, v8: {}, cgroup: {}, notes: [] });
  return { route: createRoute({ snapshot, profiler }), calls };
}

const at = (query = '', options = {}) => ({ path: TARGET + query, ...options });

/** What a profile waits for, until the test or its signal ends it. */
function pending() {
  const state = { begun: false, aborted: false };
  state.profile = ({ signal }) =>
    new Promise((resolve, reject) => {
      state.begun = true;
      state.finish = () => resolve(Buffer.from('whole'));
      signal.addEventListener('abort', () => {
        state.aborted = true;
        reject(signal.reason);
      });
    });
  return state;
}

describe('is off', () => {
  for (const options of [undefined, { profile: false }, { profile: undefined }]) {
    it(`with ${JSON.stringify(options)}, and says what turns it on`, async (t) => {
      const { route, calls } = fakes();
      const port = await serve(t, route(options));
      const answer = await ask(port, at());
      refused(answer, 403, 'ERR_HEAPGAP_FORBIDDEN');
      assert.match(answer.json.error.message, /`profile: true`/);
      assert.equal((await ask(port, at('', { method: 'HEAD' }))).status, 403);
      assert.deepEqual(calls, []);
    });
  }

  it('for strangers, other sites, other methods and other processes', async (t) => {
    const { route, calls } = fakes();
    const closed = await serve(t, route({ profile: true, token: TOKEN }));
    refused(await ask(closed, at()), 401, 'ERR_HEAPGAP_UNAUTHORIZED');
    const port = await serve(t, route({ profile: true }));
    const stranger = await ask(port, at('', { headers: { Via: '1.1 x' } }));
    refused(stranger, 403, 'ERR_HEAPGAP_FORBIDDEN');
    assert.doesNotMatch(stranger.text, /profile: true/);
    for (const headers of [{ 'Sec-Fetch-Site': 'cross-site' }, { Origin: 'http://evil.example' }]) {
      const answer = await ask(port, at('', { headers }));
      refused(answer, 403, 'ERR_HEAPGAP_CROSS_SITE');
      assert.match(answer.json.error.message, /a heap profile/);
    }
    for (const method of ['POST', 'PUT', 'DELETE']) {
      const answer = await ask(port, at('', { method }));
      refused(answer, 405, 'ERR_HEAPGAP_METHOD_NOT_ALLOWED');
    }
    const other = await ask(port, at(`?pid=${process.pid + 1}`));
    refused(other, 409, 'ERR_HEAPGAP_OTHER_PROCESS');
    refused(await ask(port, at('?pid=x')), 400, 'ERR_HEAPGAP_INVALID_ARG_TYPE');
    assert.deepEqual(calls, []);
    assert.equal((await ask(port, at(`?pid=${process.pid}`))).status, 200);
    assert.equal((await ask(closed, at('', { headers: BEARER }))).status, 200);
  });

  it('where there is no profiler, with its reason, also where it says so late', async (t) => {
    const why = 'the live allocator is glibc';
    const late = () => {
      throw profilerUnavailable(why);
    };
    for (const told of [{ why }, { profile: late }]) {
      const port = await serve(t, fakes(told).route({ profile: true }));
      const answer = await ask(port, at());
      refused(answer, 403, 'ERR_HEAPGAP_PROFILER_UNAVAILABLE');
      assert.equal(answer.json.error.message, why);
    }
  });

  it('and the page hears why', async (t) => {
    const why = 'the live allocator is glibc';
    for (const [told, options, expected] of [
      [{}, { profile: true }, /^null$/],
      [{ why }, { profile: true }, /glibc/],
      [{ why }, {}, /`profile: true`/],
    ]) {
      const port = await serve(t, fakes(told).route(options));
      const viewer = await look(port);
      assert.match(String((await viewer.next('hello')).profile.why), expected);
      viewer.req.destroy();
    }
  });

  for (const wrong of ['yes', 1, null, {}]) {
    it(`the option refuses ${JSON.stringify(wrong)}`, () => {
      assert.throws(() => fakes().route({ profile: wrong }), {
        code: 'ERR_HEAPGAP_INVALID_ARG_TYPE',
        message: /^expected `profile` to be a boolean, got /,
      });
    });
  }
});

describe('what is asked for', () => {
  it('is 30 s for pprof unless the request says otherwise', async (t) => {
    const { route, calls } = fakes();
    const port = await serve(t, route({ profile: true }));
    await ask(port, at());
    await ask(port, at('?seconds=0.5&sampleBytes=65536&format=flamegraph'));
    const asked = calls.map(({ signal, ...rest }) => rest);
    assert.deepEqual(asked, [
      { seconds: 30, format: 'pprof', sampleBytes: undefined },
      { seconds: 0.5, format: 'flamegraph', sampleBytes: 65536 },
    ]);
  });

  it('is a flame graph where a browser opens it, and what `format` says before all', async (t) => {
    const { route } = fakes();
    const port = await serve(t, route({ profile: true }));
    const typeOf = async (query, headers) =>
      (await ask(port, at(query, { headers }))).headers['content-type'];
    assert.equal(await typeOf('', HTML), 'image/svg+xml');
    assert.equal(await typeOf('', { Accept: '*/*' }), 'application/octet-stream');
    assert.equal(await typeOf('?format=pprof', HTML), 'application/octet-stream');
    assert.equal(await typeOf('?format=flamegraph'), 'image/svg+xml');
  });

  const WRONG = [
    ['seconds=', /`seconds` to be a number from 0 to 600, given once, got string ""/],
    ['seconds=-1', /`seconds` .* got string "-1"/],
    ['seconds=600.1', /`seconds` .* got number 600.1/],
    ['seconds=1e2', /`seconds` .* got string "1e2"/],
    ['seconds=1&seconds=2', /`seconds` .* got string "1, 2"/],
    ['sampleBytes=1023', /`sampleBytes` to be a number from 1024 to 1073741824, .* 1023/],
    ['sampleBytes=1073741825', /`sampleBytes` .* got number 1073741825/],
    ['seconds=0&sampleBytes=65536', /`sampleBytes` to be left out .* `seconds` is 0/],
    ['format=jeheap', /`format` to be the string pprof or flamegraph, .* "jeheap"/],
    ['format=pprof&format=pprof', /`format` .* "pprof, pprof"/],
    ['format=constructor', /`format`/],
  ];
  for (const [query, message] of WRONG) {
    it(`?${query} is refused`, async (t) => {
      const { route, calls } = fakes();
      const port = await serve(t, route({ profile: true }));
      const answer = await ask(port, at(`?${query}`));
      assert.equal(answer.status, 400, answer.text);
      assert.match(answer.json.error.code, /^ERR_HEAPGAP_INVALID_ARG_/);
      assert.match(answer.json.error.message, message);
      assert.equal((await ask(port, at(`?${query}`, { method: 'HEAD' }))).status, 400);
      assert.deepEqual(calls, []);
    });
  }

  it('is read, or refused, whatever it is; what gets through is within bounds', async () => {
    const { route, calls } = fakes();
    const handler = route({ profile: true, authorize: () => true });
    const value = fc.oneof(fc.string({ unit: 'binary' }), fc.double().map(String), fc.nat(2000));
    const name = fc.constantFrom('seconds', 'sampleBytes', 'format', 'pid', 'x');
    const query = fc.array(fc.tuple(name, value), { maxLength: 3 });
    await fc.assert(
      fc.asyncProperty(query, async (pairs) => {
        calls.length = 0;
        const url = `${TARGET}?${new URLSearchParams(pairs.map(([key, text]) => [key, String(text)]))}`;
        const res = {
          getHeaderNames: () => [],
          setHeader() {},
          once() {},
          off() {},
          end() {},
        };
        await handler({ method: 'GET', url, headers: {} }, res);
        assert.ok([200, 400, 409].includes(res.statusCode), `${res.statusCode}`);
        const [asked] = calls;
        if (asked?.signal === undefined) return;
        assert.equal(res.statusCode, 200);
        assert.ok(asked.seconds > 0 && asked.seconds <= 600);
        const { sampleBytes = 1024 } = asked;
        assert.ok(sampleBytes >= 1024 && sampleBytes <= 2 ** 30);
      }),
      { numRuns: 500 },
    );
  });
});

describe('the answer', () => {
  it('for pprof is a file', async (t) => {
    const port = await serve(t, fakes().route({ profile: true }));
    const { status, headers, text } = await ask(port, at());
    assert.equal(status, 200);
    assert.equal(text, 'pprof of a time');
    assert.equal(headers['content-length'], String(text.length));
    assert.equal(headers['cache-control'], 'no-store');
    assert.equal(headers['x-content-type-options'], 'nosniff');
    assert.equal(headers.vary, 'Accept');
    const name = new RegExp(
      `^attachment; filename="heap-${process.pid}-\\d{8}T\\d{9}Z\\.pb\\.gz"$`,
    );
    assert.match(headers['content-disposition'], name);
  });

  it('is the same through Express and HTTP/2', async (t) => {
    const handler = fakes().route({ profile: true });
    const port = await serve(t, express().use('/debug/memory', handler));
    assert.equal((await ask(port, at('?seconds=1'))).text, 'pprof of a time');
    const server = http2.createServer(handler).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const session = http2.connect(`http://127.0.0.1:${server.address().port}`);
    t.after(() => {
      session.destroy();
      server.close();
    });
    const request = session.request({ ':path': `${TARGET}?seconds=1` });
    const [headers] = await once(request, 'response');
    assert.equal(headers[':status'], 200);
    assert.equal((await request.setEncoding('utf8').toArray()).join(''), 'pprof of a time');
  });

  it('as a flame graph is shown, as a stranger that may load nothing', async (t) => {
    const port = await serve(t, fakes().route({ profile: true }));
    const { headers, text } = await ask(port, at('?format=flamegraph'));
    assert.equal(text, 'flamegraph of a time');
    assert.match(headers['content-disposition'], /^inline; filename="heap-\d+-\w+\.svg"$/);
    const policy = headers['content-security-policy'].split('; ');
    assert.ok(policy.includes("default-src 'none'"));
    assert.ok(policy.includes("frame-ancestors 'self'"));
    assert.ok(policy.includes('sandbox allow-scripts'), 'and not allow-same-origin');
    assert.equal(headers['x-frame-options'], 'SAMEORIGIN');
    assert.equal(headers['cross-origin-resource-policy'], 'same-origin');
  });

  it('to HEAD has the same headers, and nothing is profiled', async (t) => {
    const { route, calls } = fakes();
    const port = await serve(t, route({ profile: true }));
    for (const query of ['', '?format=flamegraph', '?seconds=0']) {
      const { status, headers, text } = await ask(port, at(query, { method: 'HEAD' }));
      assert.equal(status, 200);
      assert.equal(text, '');
      assert.match(headers['content-disposition'], /filename="heap-/);
    }
    assert.deepEqual(calls, []);
  });

  it('to 0 s is all that was sampled, or that nothing was', async (t) => {
    const answerOf = async (told) =>
      ask(await serve(t, fakes(told).route({ profile: true })), at('?seconds=0'));
    assert.equal((await answerOf({ active: true, text: EMPTY })).text, 'pprof of all');
    assert.equal((await answerOf({ text: SOME })).text, 'pprof of all');
    const nothing = await answerOf({ text: EMPTY });
    refused(nothing, 409, 'ERR_HEAPGAP_PROFILER');
    assert.match(nothing.json.error.message, /nothing has been sampled/);
  });

  it('to a second one at a time is 409, to one that fails 500', async (t) => {
    const failing = [
      [busy('another profile is under way'), 409, 'ERR_HEAPGAP_BUSY'],
      [
        Object.assign(new Error('no dump'), { code: 'ERR_HEAPGAP_PROFILER' }),
        500,
        'ERR_HEAPGAP_PROFILER',
      ],
      [new Error('at /inside'), 500, 'ERR_HEAPGAP_INTERNAL'],
    ];
    for (const [error, status, code] of failing) {
      const profile = () => Promise.reject(error);
      const port = await serve(t, fakes({ profile }).route({ profile: true }));
      const answer = await ask(port, at());
      refused(answer, status, code);
      assert.doesNotMatch(answer.text, /inside/);
    }
  });
});

describe('it ends', () => {
  it('when the client leaves', async (t) => {
    const state = pending();
    const port = await serve(t, fakes(state).route({ profile: true }));
    const req = http.get({ host: '127.0.0.1', port, path: TARGET, agent: false });
    req.on('error', () => {});
    await until(() => state.begun);
    assert.equal(state.aborted, false);
    req.destroy();
    await until(() => state.aborted);
  });

  it('when the client leaves that waits behind another request', async (t) => {
    const state = pending();
    const route = fakes(state).route({ profile: true });
    const port = await serve(t, (req, res) => (req.url === '/slow' ? undefined : route(req, res)));
    const socket = net.connect(port, '127.0.0.1');
    await once(socket, 'connect');
    socket.write('GET /slow HTTP/1.1\r\nHost: x\r\n\r\n');
    socket.write(`GET ${TARGET} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
    await until(() => state.begun);
    socket.destroy();
    await until(() => state.aborted);
  });

  it('when the server closes, which is not to wait for it', async (t) => {
    const state = pending();
    const server = http.createServer(fakes(state).route({ profile: true }));
    const port = await serve(t, server);
    const answered = ask(port, at());
    await until(() => state.begun);
    const closed = new Promise((resolve) => server.close(resolve));
    refused(await answered, 503, 'ERR_HEAPGAP_PROFILER');
    await closed;
  });

  it('over HTTP/2, when the request is cancelled or the connection lost', async (t) => {
    for (const leave of [(request) => request.close(), (_, session) => session.destroy()]) {
      const state = pending();
      const server = http2.createServer(fakes(state).route({ profile: true }));
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      const session = http2.connect(`http://127.0.0.1:${server.address().port}`);
      t.after(() => {
        session.destroy();
        server.close();
      });
      const request = session.request({ ':path': TARGET });
      request.on('error', () => {});
      await until(() => state.begun);
      leave(request, session);
      await until(() => state.aborted);
    }
  });

  it('by itself, and nothing is aborted any more', async (t) => {
    const state = pending();
    const port = await serve(t, fakes(state).route({ profile: true }));
    const answered = ask(port, at());
    await until(() => state.begun);
    state.finish();
    assert.equal((await answered).text, 'whole');
    assert.equal(state.aborted, false);
  });
});

/** A protocol buffer's text fields of one number, on the outermost level (protobuf.dev, encoding). */
function textsOf(message, wanted) {
  const texts = [];
  let offset = 0;
  const varint = () => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = message[offset++];
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  while (offset < message.length) {
    const key = Number(varint());
    const value = varint();
    if ((key & 7) !== 2) continue;
    const end = offset + Number(value);
    if (key >> 3 === wanted) texts.push(message.toString('utf8', offset, end));
    offset = end;
  }
  return texts;
}

/** profile.proto: repeated string string_table = 6. */
const STRING_TABLE = 6;

const fetched = (service, query, options) => fetch(`${service.url}/profile?${query}`, options);

for (const name of JEMALLOCS) {
  describe(`a service on ${name}`, { timeout: 120_000 }, () => {
    it('tells what it allocated, and where; the profiler is off before and after', async (t) => {
      const library = preload(t, name);
      if (library === null) return;
      const service = await startService(t, { preload: library, named: NAMED });
      const before = await service.held();
      assert.equal(before.active, false);
      const answered = fetched(service, 'seconds=2&format=flamegraph&sampleBytes=65536');
      await service.isActive(true);
      const started = await service.held();
      const response = await answered;
      const svg = await response.text();
      const after = await service.held();
      assert.equal(response.status, 200, svg);
      assert.equal(after.active, false);
      assert.match(svg, /holdNativeMemory \(profiled\.js:\d+\)/);
      const [, total] = /<title>all \(([\d,]+) bytes/.exec(svg);
      const bytes = Number(total.replaceAll(',', ''));
      // What the service counted itself: around the request, and within it.
      const most = after.bytes - before.bytes;
      const least = (after.bytes - started.bytes) / 2;
      assert.ok(least > 2 ** 20, `the service allocated ${least}`);
      assert.ok(bytes > least && bytes < most * 1.2, `${bytes} of ${least} to ${most}`);
    });

    it('writes it for pprof', async (t) => {
      const library = preload(t, name);
      if (library === null) return;
      const service = await startService(t, { preload: library });
      const response = await fetched(service, 'seconds=1');
      assert.equal(response.status, 200);
      const message = gunzipSync(Buffer.from(await response.arrayBuffer()));
      const strings = textsOf(message, STRING_TABLE);
      assert.equal(strings[0], '');
      for (const expected of ['inuse_space', 'bytes']) assert.ok(strings.includes(expected));
    });

    it('stops its profiler when the client leaves, or another one cannot follow', async (t) => {
      const library = preload(t, name);
      if (library === null) return;
      const service = await startService(t, { preload: library });
      const controller = new AbortController();
      const { signal } = controller;
      const left = fetched(service, 'seconds=600', { signal }).catch((error) => error.name);
      await service.isActive(true);
      const second = await fetched(service, 'seconds=1');
      assert.equal(second.status, 409);
      assert.equal((await second.json()).error.code, 'ERR_HEAPGAP_BUSY');
      controller.abort();
      assert.equal(await left, 'AbortError');
      await service.isActive(false);
      // The first may still be on its way out.
      let third;
      do third = await fetched(service, 'seconds=0.1');
      while (third.status === 409);
      assert.equal(third.status, 200);
    });

    it('ends when it is told to, in the middle of a profile', async (t) => {
      const library = preload(t, name);
      if (library === null) return;
      const service = await startService(t, { preload: library });
      const answered = fetched(service, 'seconds=600', { headers: { Connection: 'close' } });
      await service.isActive(true);
      service.child.kill('SIGTERM');
      assert.equal((await answered).status, 503);
      const [code] = await service.ended;
      assert.equal(code, 0);
    });

    it('without profiling says how to start it', async (t) => {
      const library = preload(t, name);
      if (library === null) return;
      const service = await startService(t, { preload: library, malloc: '' });
      const response = await fetched(service, 'seconds=1');
      assert.equal(response.status, 403);
      const { code, message } = (await response.json()).error;
      assert.equal(code, 'ERR_HEAPGAP_PROFILER_UNAVAILABLE');
      assert.match(message, /MALLOC_CONF=prof:true/);
    });
  });
}

it('a service on glibc says that there are no profiles', async (t) => {
  const service = await startService(t);
  const response = await fetched(service, 'seconds=1');
  assert.equal(response.status, 403);
  const { code, message } = (await response.json()).error;
  assert.equal(code, 'ERR_HEAPGAP_PROFILER_UNAVAILABLE');
  assert.match(message, /glibc/);
});
