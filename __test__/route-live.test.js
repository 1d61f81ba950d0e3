'use strict';
// GET …/live: one sampler for all who look.

const assert = require('node:assert/strict');
const { spawn } = require('node:child_process');
const { once } = require('node:events');
const http = require('node:http');
const http2 = require('node:http2');
const https = require('node:https');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');
const { describe, it } = require('node:test');
const express = require('express');
const express4 = require('express4');
const { createRoute } = require('../lib/route.js');
const { environment } = require('./support/child.js');
const { BEARER, TOKEN, ask, eventsOf, look, refused, serve, until } = require('./support/route.js');

const LIVE = '/debug/memory/live';
const KB = 1024;
const LINGER = 15;
const HISTORY = 600;
const MAX_VIEWERS = 32;

const DIAGNOSIS = {
  verdict: 'retention',
  summary: 'Freed memory stays resident.',
  findings: [],
  ledger: { rss: 5, parts: { code: { bytes: 3 }, stacks: { bytes: null } } },
  window: { samples: 2, durationMs: 1000 },
  notes: [],
};

/** Figures whose RSS is the number of the snapshot. */
const snapshotOf = (count) => ({
  time: count * 1000,
  process: { rss: count },
  v8: { heapUsed: 1, heapTotal: 2, arrayBuffers: 4 },
  gap: 5,
  allocator: { allocated: 6, active: 7, resident: null },
  cgroup: { limit: null, unreclaimable: null, oomKills: null },
  governor: null,
  ledger: { rss: 1, parts: {} },
  notes: [],
});

/** Intervals that the test runs. Those of t.mock.timers cannot be cleared by what they run (Node.js 20). */
function fakeIntervals(t) {
  const timers = new Set();
  t.mock.method(globalThis, 'setInterval', (run) => {
    const timer = { run, unref: () => timer };
    timers.add(timer);
    return timer;
  });
  t.mock.method(globalThis, 'clearInterval', (timer) => timers.delete(timer));
  return () => {
    for (const { run } of timers) run();
  };
}

/** A route with a clock that the test moves, and what was called. */
function fakes(t, overrides = {}) {
  const runIntervals = fakeIntervals(t);
  const calls = { snapshot: 0, diagnosis: 0, watch: 0, stopped: 0 };
  const clock = { ms: 0 };
  const deps = {
    snapshot: async () => snapshotOf(calls.snapshot),
    diagnosis: async () => DIAGNOSIS,
    watch: () => ({
      stop: () => {
        calls.stopped += 1;
      },
    }),
    ...overrides,
  };
  const counted = Object.fromEntries(
    Object.entries(deps).map(([name, call]) => [
      name,
      () => {
        calls[name] += 1;
        return call();
      },
    ]),
  );
  const purges = () => ({ count: 2, released: 8 });
  const route = createRoute({ ...counted, purges, now: () => clock.ms });
  /** A second passes, and what it sets going is done. */
  async function second() {
    clock.ms += 1000;
    runIntervals();
    await new Promise(setImmediate);
  }
  return { route, calls, second };
}

/** Serves, and keeps the responses of those who look. */
async function served(t, handler) {
  const responses = [];
  const port = await serve(t, (req, res) => {
    responses.push(res);
    return handler(req, res);
  });
  return { port, responses };
}

/** The viewer leaves, and the server has seen that. */
async function leave(viewer, response) {
  const closed = once(response, 'close');
  viewer.req.destroy();
  await closed;
}

function deferred() {
  const parts = {};
  parts.promise = new Promise((resolve, reject) => Object.assign(parts, { resolve, reject }));
  return parts;
}

// Before all that starts a window of this very process.
it('its window gives way to the longer one of the program, and ends with it', async (t) => {
  const { longestWatch } = require('../lib/watch.js');
  const { watch } = require('..');
  const own = watch();
  t.after(() => own.stop());
  await until(() => {
    own.sample();
    return own.durationMs > 0;
  });
  const { route, calls, second } = fakes(t, { watch });
  const { port, responses } = await served(t, route());
  const viewer = await look(port);
  await viewer.next('sample');
  assert.equal(longestWatch(), own);
  own.stop();
  assert.notEqual(longestWatch(), null, 'it has one of its own');
  await leave(viewer, responses[0]);
  for (let passed = 0; passed <= LINGER; passed++) await second();
  assert.equal(longestWatch(), null);
  assert.equal(calls.watch, 1);
});

describe('what it says', () => {
  it('of this process, live', async (t) => {
    const { route } = require('..');
    const port = await serve(t, route());
    const viewer = await look(port);
    assert.equal(viewer.res.statusCode, 200);
    const { headers } = viewer.res;
    assert.equal(headers['content-type'], 'text/event-stream; charset=utf-8');
    assert.equal(headers['cache-control'], 'no-store, no-transform');
    assert.equal(headers['x-accel-buffering'], 'no');
    assert.equal(headers['x-content-type-options'], 'nosniff');
    assert.equal(headers['cross-origin-resource-policy'], 'same-origin');

    const { profile, ...hello } = await viewer.next('hello');
    assert.match(profile.why, /`profile: true`/);
    assert.deepEqual(hello, {
      pid: process.pid,
      started: Math.round(performance.timeOrigin),
      version: require('../package.json').version,
      node: process.version,
      title: path.basename(process.argv[1]),
      host: os.hostname(),
    });
    const { columns, rows } = await viewer.next('history');
    assert.deepEqual(rows, []);
    const at = (row, name) => row[columns.indexOf(name)];

    const { row, figures } = await viewer.next('sample');
    assert.equal(row.length, columns.length);
    assert.equal(figures.pid, process.pid);
    assert.equal(figures.ledger, undefined);
    assert.equal(at(row, 'time'), figures.time);
    assert.equal(at(row, 'rss'), figures.process.rss);
    assert.equal(at(row, 'heapUsed'), figures.v8.heapUsed);
    assert.ok(at(row, 'rss') > at(row, 'heapUsed') && at(row, 'heapUsed') > 0);

    const diagnosis = await viewer.next('diagnosis');
    assert.equal(typeof diagnosis.verdict, 'string', JSON.stringify(diagnosis.notes));
    assert.equal(typeof diagnosis.summary, 'string');
    assert.ok(Math.abs(diagnosis.time - Date.now()) < 60_000);
    const { row: second } = await viewer.next('sample');
    const parts = Object.entries(diagnosis.ledger.parts).map(([name, { bytes }]) => [name, bytes]);
    assert.deepEqual(at(second, 'ledger'), Object.fromEntries(parts));
    assert.ok(at(second, 'time') > at(row, 'time'));
  });

  it('a row has the columns’ figures, null for what is not known', async (t) => {
    const { route, second } = fakes(t);
    const port = await serve(t, route());
    const viewer = await look(port);
    const { columns } = await viewer.next('history');
    const rowOf = async () => {
      const { row } = await viewer.next('sample');
      return Object.fromEntries(columns.map((name, i) => [name, row[i]]));
    };
    const first = await rowOf();
    const none = [
      'resident',
      'limit',
      'unreclaimable',
      'oomKills',
      'governorPurges',
      'governorReleased',
      'governorLevel',
      'collections',
    ];
    assert.deepEqual(first, {
      time: snapshotOf(1).time,
      rss: 1,
      gap: 5,
      heapUsed: 1,
      heapTotal: 2,
      arrayBuffers: 4,
      allocated: 6,
      active: 7,
      purges: 2,
      released: 8,
      ledger: { code: 3, stacks: null },
      ...Object.fromEntries(none.map((name) => [name, null])),
    });
    await second();
    assert.equal((await rowOf()).ledger, null, 'in the first row after the diagnosis only');
  });

  it('a diagnosis once, and again when it is another', async (t) => {
    let diagnosis = DIAGNOSIS;
    const { route, calls, second } = fakes(t, { diagnosis: async () => diagnosis });
    const viewer = await look(await serve(t, route()));
    assert.equal((await viewer.next('diagnosis')).verdict, 'retention');
    await second();
    await second();
    diagnosis = { ...DIAGNOSIS, verdict: 'healthy' };
    await second();
    assert.equal((await viewer.next('diagnosis')).verdict, 'healthy');
    assert.equal(calls.diagnosis, 4);
  });

  it('HEAD has the headers alone, and starts nothing', async (t) => {
    const { route, calls } = fakes(t);
    const port = await serve(t, route());
    for (const at of [LIVE, `${LIVE}/`]) {
      const head = await ask(port, { path: at, method: 'HEAD' });
      assert.equal(head.status, 200);
      assert.equal(head.headers['content-type'], 'text/event-stream; charset=utf-8');
      assert.equal(head.text, '');
    }
    assert.equal(calls.snapshot, 0);
    assert.equal(calls.watch, 0);
  });

  it('is for GET and HEAD', async (t) => {
    const port = await serve(t, fakes(t).route());
    const post = await ask(port, { path: LIVE, method: 'POST' });
    refused(post, 405, 'ERR_HEAPGAP_METHOD_NOT_ALLOWED');
  });
});

describe('one sampler', () => {
  for (const count of [2, 10]) {
    it(`serves ${count} viewers at the cost of one`, async (t) => {
      const { route, calls, second } = fakes(t);
      const port = await serve(t, route());
      const viewers = [await look(port)];
      while (viewers.length < count) viewers.push(await look(port));
      for (const viewer of viewers) await viewer.next('sample');
      for (let passed = 0; passed < 3; passed++) {
        await second();
        const rss = await Promise.all(
          viewers.map(async (viewer) => (await viewer.next('sample')).row[1]),
        );
        assert.deepEqual(rss, Array(count).fill(passed + 2));
      }
      assert.deepEqual(calls, { snapshot: 4, diagnosis: 4, watch: 1, stopped: 0 });
    });
  }

  it('is shared by all handlers of the process', async (t) => {
    const { route, calls } = fakes(t);
    const [one, other] = [await serve(t, route()), await serve(t, route({ token: TOKEN }))];
    await (await look(one)).next('sample');
    await (await look(other, { headers: BEARER })).next('sample');
    assert.equal(calls.snapshot, 1);
    assert.equal(calls.watch, 1);
  });

  it('stops some seconds after the last viewer left, and starts again', async (t) => {
    const { route, calls, second } = fakes(t);
    const { port, responses } = await served(t, route());
    const [first, other] = [await look(port), await look(port)];
    await second();
    await leave(first, responses[0]);
    for (let passed = 0; passed < 2 * LINGER; passed++) await second();
    assert.equal(calls.stopped, 0, 'somebody looks');
    await leave(other, responses[1]);

    for (let passed = 0; passed < LINGER; passed++) await second();
    assert.equal(calls.stopped, 0, 'it waits for who comes back');
    await second();
    assert.equal(calls.stopped, 1);
    const { snapshot, diagnosis } = calls;
    for (let passed = 0; passed < 100; passed++) await second();
    assert.deepEqual(calls, { snapshot, diagnosis, watch: 1, stopped: 1 });

    const again = await look(port);
    assert.deepEqual((await again.next('history')).rows, [], 'nobody saw what was between');
    assert.equal((await again.next('sample')).row[1], snapshot + 1);
    await again.next('diagnosis');
    assert.equal(calls.watch, 2);
  });

  it('goes on for who comes back in time', async (t) => {
    const { route, calls, second } = fakes(t);
    const { port, responses } = await served(t, route());
    for (let visit = 0; visit < 5; visit++) {
      const viewer = await look(port);
      await viewer.next('sample');
      await leave(viewer, responses[visit]);
      for (let passed = 0; passed < LINGER - 1; passed++) await second();
    }
    assert.equal(calls.watch, 1);
    assert.equal(calls.stopped, 0);
    const { rows } = await (await look(port)).next('history');
    assert.equal(rows.length, calls.snapshot - 1);
  });

  it('a new viewer is given the history, each row once', async (t) => {
    const { route, second } = fakes(t);
    const port = await serve(t, route());
    const first = await look(port);
    for (let passed = 0; passed < 3; passed++) await second();
    const late = await look(port);
    await late.next('hello');
    const { rows } = await late.next('history');
    assert.deepEqual(
      [...rows, (await late.next('sample')).row].map(([, rss]) => rss),
      [1, 2, 3, 4],
    );
    await late.next('diagnosis');
    const names = first.heard.map(({ event }) => event);
    assert.deepEqual(names.slice(0, 4), ['hello', 'history', 'diagnosis', 'sample']);
    assert.deepEqual(late.heard, []);
  });

  it('keeps ten minutes, as text', async (t) => {
    const { route, second } = fakes(t);
    const port = await serve(t, route());
    const first = await look(port);
    await first.next('sample');
    for (let passed = 0; passed < HISTORY + 50; passed++) await second();
    const { mock } = t.mock.method(JSON, 'stringify');
    const late = await look(port);
    const { rows } = await late.next('history');
    // The greeting and the columns: a row, or all of them, would be more.
    assert.equal(mock.callCount(), 2);
    mock.restore();
    const { row } = await late.next('sample');
    const all = [...rows, row].map(([, rss]) => rss);
    assert.equal(all.length, HISTORY);
    assert.deepEqual([all[0], all.at(-1)], [52, HISTORY + 51]);
  });
});

describe('viewers', () => {
  it('are so many at the most; the next one is told to come back', async (t) => {
    const { route, second } = fakes(t);
    const { port, responses } = await served(t, route());
    const viewers = [];
    while (viewers.length < MAX_VIEWERS) viewers.push(await look(port));
    for (const method of ['GET', 'HEAD']) {
      const busy = await ask(port, { path: LIVE, method });
      assert.equal(busy.status, 503);
      assert.equal(busy.headers['retry-after'], '10');
    }
    refused(await ask(port, { path: LIVE }), 503, 'ERR_HEAPGAP_BUSY');
    await leave(viewers[3], responses[3]);
    const next = await look(port);
    assert.equal(next.res.statusCode, 200);
    await next.next('sample');
    await second();
    await next.next('sample');
  });

  it('that read nothing are let go, and others go on', async (t) => {
    const big = { padding: 'x'.repeat(256 * KB) };
    const { route, calls, second } = fakes(t, {
      snapshot: async () => ({ ...snapshotOf(calls.snapshot), ...big }),
    });
    const { port, responses } = await served(t, route());
    const slow = await look(port);
    slow.res.pause();
    const good = await look(port);
    await good.next('sample');
    for (let passed = 0; !responses[0].destroyed; passed++) {
      assert.ok(passed < 500, 'what the sockets hold is less than that');
      await second();
      await good.next('sample');
    }
    await second();
    await good.next('sample');
    assert.equal(responses[1].destroyed, false);
  });

  it('a thousand who come and go leave nothing behind', async (t) => {
    const { route, calls, second } = fakes(t);
    const { port, responses } = await served(t, route());
    for (let round = 0; round < 50; round++) {
      const some = await Promise.all(Array.from({ length: 20 }, () => look(port)));
      for (const { res } of some) assert.equal(res.statusCode, 200);
      const closed = responses.splice(0).map((res) => once(res, 'close'));
      for (const { req } of some) req.destroy();
      await Promise.all(closed);
    }
    assert.equal(calls.watch, 1);
    for (let passed = 0; passed <= LINGER; passed++) await second();
    assert.equal(calls.stopped, 1);
  });

  it('that have gone before they are let in are not waited for', async (t) => {
    const check = deferred();
    const { route, calls } = fakes(t);
    const { port, responses } = await served(t, route({ authorize: () => check.promise }));
    const req = http.request({ host: '127.0.0.1', port, path: LIVE, agent: false }).end();
    req.on('error', () => {});
    await until(() => responses.length === 1);
    const closed = once(responses[0], 'close');
    req.destroy();
    await closed;
    check.resolve(true);
    await new Promise(setImmediate);
    assert.equal(calls.watch, 0);
    assert.equal(responses[0].headersSent, false);
  });

  it('that wait behind another on one connection are forgotten with it', async (t) => {
    const { route, second } = fakes(t);
    const { port, responses } = await served(t, route());
    const socket = net.connect(port, '127.0.0.1');
    socket.on('error', () => {});
    socket.write(`GET ${LIVE} HTTP/1.1\r\nHost: localhost\r\n\r\n`.repeat(MAX_VIEWERS));
    await until(() => responses.length === MAX_VIEWERS);
    await until(() => responses.every((res) => res.headersSent));
    refused(await ask(port, { path: LIVE }), 503, 'ERR_HEAPGAP_BUSY');
    const closed = once(responses[0], 'close');
    socket.destroy();
    await closed;
    await second();
    assert.equal((await look(port)).res.statusCode, 200);
  });

  const ENDINGS = {
    'that another middleware ends': (res) => res.end(),
    'that another middleware destroys': (res) => res.destroy(),
    'whose response fails': (res) => {
      res.emit('error', new Error('broken'));
      res.emit('error', new Error('broken again'));
    },
    'whose response cannot be written': (res) => {
      res.write = () => {
        throw new Error('broken');
      };
    },
  };
  for (const [title, end] of Object.entries(ENDINGS)) {
    it(`${title} do the others no harm`, async (t) => {
      const { route, calls, second } = fakes(t);
      const { port, responses } = await served(t, route());
      const first = await look(port);
      await first.next('sample');
      const other = await look(port);
      await other.next('sample');
      end(responses[0]);
      for (let passed = 0; passed < 3; passed++) {
        await second();
        await other.next('sample');
      }
      const closed = once(responses[1], 'close');
      other.req.destroy();
      await closed;
      for (let passed = 0; passed <= LINGER; passed++) await second();
      assert.equal(calls.stopped, 1, 'the first one is no viewer any more');
    });
  }

  it('of another site are refused', async (t) => {
    const { route, calls } = fakes(t);
    const port = await serve(t, route());
    const closed = await serve(t, route({ token: TOKEN }));
    const basic = { Authorization: `Basic ${Buffer.from(`x:${TOKEN}`).toString('base64')}` };
    const FOREIGN = [
      { 'Sec-Fetch-Site': 'cross-site' },
      { 'Sec-Fetch-Site': 'same-site' },
      { Origin: 'null' },
      { Origin: 'http://evil.example' },
      { Referer: 'http://evil.example/' },
    ];
    for (const headers of FOREIGN) {
      refused(await ask(port, { path: LIVE, headers }), 403, 'ERR_HEAPGAP_CROSS_SITE');
      const ambient = await ask(closed, { path: LIVE, headers: { ...headers, ...basic } });
      refused(ambient, 403, 'ERR_HEAPGAP_CROSS_SITE');
    }
    assert.equal(calls.watch, 0);
    const own = await look(closed, { headers: { ...basic, 'Sec-Fetch-Site': 'same-origin' } });
    assert.equal(own.res.statusCode, 200);
  });

  it('who are strangers are refused, and start nothing', async (t) => {
    const { route, calls } = fakes(t);
    const forwarded = { path: LIVE, headers: { Via: '1.1 x' } };
    refused(await ask(await serve(t, route()), forwarded), 403, 'ERR_HEAPGAP_FORBIDDEN');
    const rebound = { path: LIVE, headers: { Host: 'evil.example' } };
    refused(await ask(await serve(t, route()), rebound), 403, 'ERR_HEAPGAP_FORBIDDEN');
    const closed = await serve(t, route({ token: TOKEN }));
    refused(await ask(closed, { path: LIVE }), 401, 'ERR_HEAPGAP_UNAUTHORIZED');
    const denied = await serve(t, route({ authorize: () => false }));
    refused(await ask(denied, { path: LIVE }), 403, 'ERR_HEAPGAP_FORBIDDEN');
    assert.deepEqual(calls, { snapshot: 0, diagnosis: 0, watch: 0, stopped: 0 });
  });
});

describe('what fails', () => {
  const FAILURES = {
    throws: () => {
      throw new Error('failed');
    },
    rejects: () => Promise.reject(new Error('failed')),
  };

  for (const [title, fail] of Object.entries(FAILURES)) {
    it(`a snapshot that ${title} is left out`, async (t) => {
      let works = false;
      const { route, calls, second } = fakes(t, {
        snapshot: () => (works ? snapshotOf(calls.snapshot) : fail()),
      });
      const viewer = await look(await serve(t, route()));
      await viewer.next('diagnosis');
      await second();
      works = true;
      await second();
      assert.equal((await viewer.next('sample')).row[1], 3);
    });

    it(`a diagnosis that ${title} is left out`, async (t) => {
      let works = false;
      const { route, second } = fakes(t, { diagnosis: () => (works ? DIAGNOSIS : fail()) });
      const viewer = await look(await serve(t, route()));
      await viewer.next('sample');
      await second();
      await viewer.next('sample');
      works = true;
      await second();
      await viewer.next('diagnosis');
    });
  }

  it('a snapshot that takes for ever holds nothing else, and is not asked for twice', async (t) => {
    const late = deferred();
    const { route, calls, second } = fakes(t, { snapshot: () => late.promise });
    const viewer = await look(await serve(t, route()));
    await viewer.next('diagnosis');
    for (let passed = 0; passed < 5; passed++) await second();
    assert.equal(calls.snapshot, 1);
    assert.equal(calls.diagnosis, 6);
    late.resolve(snapshotOf(7));
    assert.equal((await viewer.next('sample')).row[1], 7);
  });

  it('a diagnosis that takes for ever holds nothing else, and is not asked for twice', async (t) => {
    const { route, calls, second } = fakes(t, { diagnosis: () => new Promise(() => {}) });
    const viewer = await look(await serve(t, route()));
    for (let passed = 0; passed < 5; passed++) {
      await viewer.next('sample');
      await second();
    }
    assert.equal(calls.diagnosis, 1);
  });

  it('a snapshot that comes when nobody looks any more is kept by nobody', async (t) => {
    let late = deferred();
    let made = 0;
    const another = async () => {
      made += 1;
      return { ...DIAGNOSIS, ledger: { rss: 1, parts: { code: { bytes: made } } } };
    };
    const { route, calls, second } = fakes(t, { snapshot: () => late.promise, diagnosis: another });
    const { port, responses } = await served(t, route());
    const viewer = await look(port);
    await viewer.next('diagnosis');
    await leave(viewer, responses[0]);
    for (let passed = 0; passed <= LINGER; passed++) await second();
    assert.equal(calls.stopped, 1);
    late.resolve(snapshotOf(1));
    await new Promise(setImmediate);
    late = deferred();
    late.resolve(snapshotOf(2));
    const again = await look(port);
    assert.deepEqual((await again.next('history')).rows, []);
    const { row } = await again.next('sample');
    assert.equal(row[1], 2);
    assert.deepEqual(row.at(-1), { code: made }, 'one that no row had taken is an old one');
    const third = await look(port);
    assert.deepEqual((await third.next('history')).rows, []);
  });

  it('a diagnosis that comes when nobody looks any more is kept by nobody', async (t) => {
    const late = deferred();
    const { route, calls, second } = fakes(t, { diagnosis: () => late.promise });
    const { port, responses } = await served(t, route());
    const viewer = await look(port);
    await viewer.next('sample');
    await leave(viewer, responses[0]);
    for (let passed = 0; passed <= LINGER; passed++) await second();
    assert.equal(calls.stopped, 1);
    late.resolve(DIAGNOSIS);
    await new Promise(setImmediate);
    const again = await look(port);
    assert.equal((await again.next('diagnosis')).verdict, 'retention', 'it is told anew');
    assert.deepEqual((await again.next('sample')).row.at(-1), { code: 3, stacks: null });
  });

  it('a window that cannot be started is done without', async (t) => {
    const { route, calls, second } = fakes(t, { watch: FAILURES.throws });
    const { port, responses } = await served(t, route());
    const viewer = await look(port);
    await viewer.next('sample');
    await second();
    await viewer.next('sample');
    await leave(viewer, responses[0]);
    for (let passed = 0; passed <= LINGER; passed++) await second();
    const { snapshot } = calls;
    await second();
    assert.equal(calls.snapshot, snapshot, 'it has stopped');
  });
});

describe('server.close() does not wait for viewers', () => {
  /** Asked on a connection that the client would keep. */
  function keptAlive(t, module, options) {
    const agent = new module.Agent({ keepAlive: true, ...options });
    t.after(() => agent.destroy());
    return { agent };
  }

  async function lookBy(t, module, port, options) {
    const to = { host: '127.0.0.1', port, path: LIVE, ...keptAlive(t, module, options) };
    const req = module.request(to).end();
    const [res] = await once(req, 'response');
    return { req, res, ...eventsOf(res) };
  }

  // No certificate is needed where both sides know a key (RFC 4279).
  const PSK = { ciphers: 'PSK-AES128-GCM-SHA256', maxVersion: 'TLSv1.2' };
  const key = Buffer.from('0123456789abcdef');
  const HOSTS = {
    'node:http': { create: (handler) => http.createServer(handler) },
    'Express 5': {
      create: (handler) => http.createServer(express().use('/debug/memory', handler)),
    },
    'Express 4': {
      create: (handler) => http.createServer(express4().use('/debug/memory', handler)),
    },
    TLS: {
      module: https,
      create: (handler) => https.createServer({ ...PSK, pskCallback: () => key }, handler),
      options: {
        ...PSK,
        pskCallback: () => ({ psk: key, identity: 'x' }),
        checkServerIdentity: () => {},
      },
    },
  };
  for (const [name, { create, module = http, options }] of Object.entries(HOSTS)) {
    for (const hangs of [false, true]) {
      it(`${name}${hangs ? ', while no sample can be had' : ''}`, async (t) => {
        const overrides = hangs ? { snapshot: () => new Promise(() => {}) } : {};
        const { route, second } = fakes(t, overrides);
        const server = create(route()).listen(0, '127.0.0.1');
        await once(server, 'listening');
        const viewer = await lookBy(t, module, server.address().port, options);
        const [ended, closed] = [once(viewer.res, 'end'), once(server, 'close')];
        await viewer.next('diagnosis');
        server.close();
        await second();
        await ended;
        await closed;
      });
    }
  }

  it('HTTP/2', async (t) => {
    const { route, calls, second } = fakes(t);
    const warnings = [];
    const note = ({ name }) => warnings.push(name);
    process.on('warning', note);
    t.after(() => process.off('warning', note));
    const server = http2.createServer(route()).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const session = http2.connect(`http://127.0.0.1:${server.address().port}`);
    const stream = session.request({ ':path': LIVE });
    const [headers] = await once(stream, 'response');
    assert.equal(headers.connection, undefined);
    const events = eventsOf(stream);
    await events.next('sample');
    await second();
    await events.next('sample');
    // Node.js gives one for a header of a connection, which HTTP/2 has none of.
    assert.deepEqual(warnings, []);
    const closed = once(server, 'close');
    const ended = once(stream, 'close');
    server.close();
    session.close();
    await second();
    await ended;
    await closed;
    for (let passed = 0; passed <= LINGER; passed++) await second();
    assert.equal(calls.stopped, 1);
  });

  it('HTTP/2: a viewer that leaves, or has left before it is let in, is forgotten', async (t) => {
    const { route, calls, second } = fakes(t);
    const check = deferred();
    const handler = route({ authorize: (req) => req.url === LIVE || check.promise });
    const responses = [];
    const server = http2.createServer((req, res) => {
      responses.push(res);
      handler(req, res);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.after(() => server.close());
    const session = http2.connect(`http://127.0.0.1:${server.address().port}`);
    const [first, late] = [LIVE, `${LIVE}?late`].map((at) => session.request({ ':path': at }));
    late.on('error', () => {});
    await eventsOf(first).next('sample');
    await until(() => responses.length === 2);
    const closed = responses.map((res) => once(res, 'close'));
    session.destroy();
    await Promise.all(closed);
    for (let passed = 0; passed < LINGER; passed++) await second();
    check.resolve(true);
    await second();
    assert.equal(calls.stopped, 1);
    assert.equal(calls.watch, 1);
  });

  it('Fastify', async () => {
    const app = require('fastify')();
    await app.register(require('heapgap/fastify'), { prefix: '/internal' });
    await app.listen({ host: '127.0.0.1', port: 0 });
    const { port } = app.server.address();
    const viewer = await look(port, { path: `/internal${LIVE}` });
    await viewer.next('sample');
    const ended = once(viewer.res, 'end');
    await app.close();
    await ended;
  });

  it('a server that never listens, and is given its connections, is not taken for closed', async (t) => {
    const { route, second } = fakes(t);
    const inner = http.createServer(route());
    const outer = net.createServer((socket) => inner.emit('connection', socket));
    outer.listen(0, '127.0.0.1');
    await once(outer, 'listening');
    const viewer = await look(outer.address().port);
    t.after(() => outer.close());
    await viewer.next('sample');
    await second();
    await viewer.next('sample');
    viewer.req.destroy();
  });
});

describe('in a process of its own', () => {
  function start(t, script, ...args) {
    const file = path.join(__dirname, 'children', script);
    const child = spawn(process.execPath, [file, ...args], {
      env: environment(),
      stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
    });
    t.after(() => child.kill('SIGKILL'));
    return child;
  }

  it('keeps none alive that has closed its server, though somebody looks', async (t) => {
    const child = start(t, 'route-live.js');
    const [port] = await once(child, 'message');
    const viewer = await look(port, { agent: new http.Agent({ keepAlive: true }) });
    await viewer.next('sample');
    const exited = once(child, 'exit');
    child.send('close');
    assert.deepEqual(await exited, [0, null]);
  });

  it('in a cluster the stream stays with one worker, and a purge finds it by its pid', async (t) => {
    const child = start(t, 'route-cluster.js', 4);
    const [port] = await once(child, 'message');
    const viewer = await look(port);
    const { pid } = await viewer.next('hello');
    const { columns } = await viewer.next('history');
    assert.equal((await viewer.next('sample')).figures.pid, pid);

    const purge = () =>
      ask(port, { method: 'POST', path: `/debug/memory/purge?pid=${pid}`, agent: false });
    let tries = 1;
    let answer = await purge();
    for (; answer.status === 409 && tries < 100; tries++) {
      refused(answer, 409, 'ERR_HEAPGAP_OTHER_PROCESS');
      answer = await purge();
    }
    assert.equal(answer.status, 200, answer.text);

    // The worker that is watched has counted it: no other one was purged in its place.
    const purges = columns.indexOf('purges');
    for (;;) {
      const { row, figures } = await viewer.next('sample');
      assert.equal(figures.pid, pid);
      if (row[purges] === 1) break;
    }
    child.kill();
    await once(child, 'exit');
  });
});
