'use strict';

const assert = require('node:assert/strict');
const { EventEmitter, once } = require('node:events');
const http = require('node:http');
const http2 = require('node:http2');
const { monitorEventLoopDelay } = require('node:perf_hooks');
const { describe, it } = require('node:test');
const express = require('express');
const express4 = require('express4');
const fastify = require('fastify');
const fc = require('fast-check');
const { createShed } = require('../lib/shed.js');
const { finished } = require('./support/child.js');

const MB = 1024 * 1024;
const LIMIT = { running: true, level: 'limit' };
const CALM = { running: true, level: 'calm' };
const BODY = { error: { code: 'ERR_HEAPGAP_SHED', message: 'Service Unavailable' } };
const GET = { method: 'GET' };

/**
 * `shed()` on a governor, a memory and a clock of the test's own: what it sets is what is read. `read` emits
 * each reading of memory.
 */
function fakes(t, { governor = CALM, memory = { rss: 100, heapUsed: 10 }, ...overrides } = {}) {
  const set = { governor, memory, ms: 1000 };
  const read = new EventEmitter();
  const warnings = [];
  const governorFigures = t.mock.fn(() => set.governor);
  const purge = t.mock.fn(async () => {});
  const shed = createShed({
    governorFigures,
    purge,
    warn: (message) => warnings.push(message),
    memory: () => {
      read.emit('read');
      return set.memory;
    },
    now: () => set.ms,
    ...overrides,
  });
  const shedding = (options) => {
    const made = shed(options);
    t.after(() => made.stop());
    return made;
  };
  return { shed: shedding, set, read, warnings, governorFigures, purge };
}

/** A response that notes what is done to it. */
function response() {
  const calls = [];
  return {
    calls,
    headersSent: false,
    writeHead: (status) => calls.push(status),
    end: () => calls.push('end'),
  };
}

/** What a request came to: `next`, or what was answered. */
function outcome(turnAway, res = response()) {
  turnAway(GET, res, (...args) => res.calls.push('next', ...args));
  return res.calls;
}

const NEXT = ['next'];
const AWAY = [503, 'end'];

/** Keeps the process alive while `awaited` comes from timers that do not. */
async function held(awaited) {
  const hold = setInterval(() => {}, 1000);
  try {
    return await awaited;
  } finally {
    clearInterval(hold);
  }
}

/** Waits for some more samples, and what follows from them. */
async function samples(read, count = 1) {
  for (let i = 0; i < count; i++) await held(once(read, 'read'));
  await new Promise(setImmediate);
}

function deferred() {
  const parts = {};
  parts.promise = new Promise((resolve, reject) => Object.assign(parts, { resolve, reject }));
  return parts;
}

describe("the governor's level", () => {
  const GOING_ON = [
    CALM,
    { running: true, level: 'pressure' },
    { running: false, level: 'limit' },
    { level: 'limit' },
    {},
    null,
    undefined,
  ];
  for (const governor of GOING_ON) {
    it(`turns nothing away where it is ${JSON.stringify(governor)}`, (t) => {
      const { shed } = fakes(t, { governor });
      assert.deepEqual(outcome(shed()), NEXT);
    });
  }

  it('turns all away where it is limit, and counts them', (t) => {
    const { shed, set } = fakes(t, { governor: LIMIT });
    const turnAway = shed();
    for (let i = 0; i < 3; i++) assert.deepEqual(outcome(turnAway), AWAY);
    assert.equal(turnAway.memoryUsage().shedding, 'limit');
    set.governor = CALM;
    set.ms += 50;
    assert.deepEqual(outcome(turnAway), NEXT);
    const { shed: count, shedding, governor } = turnAway.memoryUsage();
    assert.deepEqual([count, shedding, governor], [3, null, CALM]);
  });

  it('turns nothing away where it cannot be read', (t) => {
    const governorFigures = () => {
      throw new Error('no');
    };
    const { shed } = fakes(t, { governorFigures });
    const turnAway = shed();
    assert.deepEqual(outcome(turnAway), NEXT);
    assert.equal(turnAway.memoryUsage().governor, null);
  });

  it('is asked for once in 50 ms, however many requests come', (t) => {
    const { shed, set, governorFigures } = fakes(t);
    const [first, second] = [shed({ maxRssBytes: 1 }), shed({ maxRssBytes: 1 })];
    for (let i = 0; i < 1000; i++) {
      outcome(first);
      outcome(second);
    }
    assert.equal(governorFigures.mock.callCount(), 1);
    set.ms += 49;
    outcome(first);
    assert.equal(governorFigures.mock.callCount(), 1);
    set.ms += 1;
    outcome(second);
    assert.equal(governorFigures.mock.callCount(), 2);
  });

  it('counts no more after stop()', (t) => {
    const { shed } = fakes(t, { governor: LIMIT });
    const turnAway = shed();
    turnAway.stop();
    turnAway.stop();
    assert.deepEqual(outcome(turnAway), NEXT);
    assert.equal(turnAway.memoryUsage().shedding, null);
  });
});

describe('a request', () => {
  it('goes on where another has answered already', (t) => {
    const { shed } = fakes(t, { governor: LIMIT });
    const turnAway = shed();
    assert.deepEqual(outcome(turnAway, { ...response(), headersSent: true }), NEXT);
    assert.equal(turnAway.memoryUsage().shed, 0);
  });

  it('goes on where the response cannot be written', (t) => {
    const { shed } = fakes(t, { governor: LIMIT });
    const turnAway = shed();
    const writeHead = () => {
      throw new Error('no');
    };
    assert.deepEqual(outcome(turnAway, { ...response(), writeHead }), NEXT);
    assert.equal(turnAway.memoryUsage().shed, 0);
  });

  it('does not go on where the answer breaks off', (t) => {
    const { shed } = fakes(t, { governor: LIMIT });
    const res = response();
    res.writeHead = (status) => {
      res.headersSent = true;
      res.calls.push(status);
    };
    res.end = () => {
      throw new Error('no');
    };
    assert.deepEqual(outcome(shed(), res), [503]);
  });

  it('has the errors of what follows it left alone', (t) => {
    const { shed } = fakes(t);
    const failure = new Error('of the handler');
    let runs = 0;
    const next = () => {
      runs += 1;
      throw failure;
    };
    assert.throws(
      () => shed()(GET, response(), next),
      (error) => error === failure,
    );
    assert.equal(runs, 1);
  });

  it('needs no next', (t) => {
    const { shed, set } = fakes(t);
    const turnAway = shed();
    const res = response();
    turnAway(GET, res);
    assert.deepEqual(res.calls, []);
    Object.assign(set, { governor: LIMIT, ms: set.ms + 50 });
    turnAway(GET, res);
    assert.deepEqual(res.calls, AWAY);
  });
});

/** Starts each kind of server on `turnAway`, with /health before it and `work` behind it; resolves with its port. */
const SERVERS = {
  'node:http': (t, turnAway, work) =>
    listening(t, http.createServer({ rejectNonStandardBodyWrites: true }, plain(turnAway, work))),
  'Express 5': (t, turnAway, work) => listening(t, http.createServer(app(express, turnAway, work))),
  'Express 4': (t, turnAway, work) =>
    listening(t, http.createServer(app(express4, turnAway, work))),
  Fastify: async (t, turnAway, work) => {
    const server = fastify();
    t.after(() => server.close());
    server.get('/health', async () => 'well');
    server.register(async (scope) => {
      scope.addHook('onRequest', turnAway);
      // A schema that has none of the answer's fields.
      const schema = { response: { '5xx': { type: 'object', properties: { other: {} } } } };
      scope.all('/work', { schema }, async () => work());
    });
    await server.listen({ port: 0, host: '127.0.0.1' });
    return server.server.address().port;
  },
};

function plain(turnAway, work) {
  return (req, res) => {
    if (req.url === '/health') res.end('well');
    else turnAway(req, res, () => res.end(work()));
  };
}

function app(framework, turnAway, work) {
  const made = framework();
  made.get('/health', (_req, res) => res.send('well'));
  made.use(turnAway);
  made.all('/work', (_req, res) => res.send(work()));
  return made;
}

async function listening(t, server) {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections?.();
    server.close();
  });
  return server.address().port;
}

async function ask(port, path, { method = 'GET', body } = {}) {
  const req = http.request({ host: '127.0.0.1', port, path, method, agent: false });
  req.end(body);
  const [res] = await once(req, 'response');
  let text = '';
  for await (const chunk of res.setEncoding('utf8')) text += chunk;
  return { status: res.statusCode, headers: res.headers, text };
}

for (const [name, start] of Object.entries(SERVERS)) {
  describe(name, () => {
    async function started(t, options) {
      const { shed, set, warnings } = fakes(t, { governor: LIMIT });
      const turnAway = shed(options);
      const work = t.mock.fn(() => 'worked');
      const port = await start(t, turnAway, work);
      return { port, set, turnAway, work, warnings };
    }

    it('answers 503 in place of the handler', async (t) => {
      const { port, turnAway, work } = await started(t);
      for (const method of ['GET', 'POST', 'DELETE']) {
        const { status, headers, text } = await ask(port, '/work', { method });
        assert.equal(status, 503);
        assert.deepEqual(JSON.parse(text), BODY);
        assert.equal(headers['retry-after'], '10');
        assert.equal(headers['cache-control'], 'no-store');
        assert.equal(headers['content-type'], 'application/json; charset=utf-8');
        assert.equal(headers['content-length'], String(Buffer.byteLength(text)));
      }
      assert.equal(work.mock.callCount(), 0);
      assert.equal(turnAway.memoryUsage().shed, 3);
    });

    it('answers HEAD without a body', async (t) => {
      const { port, work } = await started(t);
      const [head, get] = [
        await ask(port, '/work', { method: 'HEAD' }),
        await ask(port, '/work', { method: 'GET' }),
      ];
      assert.deepEqual([head.status, head.text], [503, '']);
      for (const header of ['retry-after', 'content-type', 'content-length', 'cache-control']) {
        assert.equal(head.headers[header], get.headers[header], header);
      }
      assert.equal(work.mock.callCount(), 0);
    });

    it('turns a request with a body away, and takes the next on the same connection', async (t) => {
      const { port, set, work } = await started(t);
      const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
      t.after(() => agent.destroy());
      const to = { host: '127.0.0.1', port, path: '/work', agent };
      const post = http.request({ ...to, method: 'POST' });
      post.end(Buffer.alloc(MB));
      const [refused] = await once(post, 'response');
      refused.resume();
      await once(refused, 'end');
      assert.deepEqual([refused.statusCode, refused.headers.connection], [503, 'keep-alive']);
      Object.assign(set, { governor: CALM, ms: set.ms + 50 });
      const get = http.request(to);
      get.end();
      const [taken] = await once(get, 'response');
      taken.resume();
      assert.deepEqual([taken.statusCode, get.reusedSocket], [200, true]);
      assert.equal(work.mock.callCount(), 1);
    });

    it('says what it was told to', async (t) => {
      const { port } = await started(t, { retryAfter: 3, message: 'Später, bitte 🙏' });
      const { headers, text } = await ask(port, '/work');
      assert.equal(headers['retry-after'], '3');
      assert.equal(JSON.parse(text).error.message, 'Später, bitte 🙏');
    });

    it('leaves alone what is mounted before it, and all where memory is calm', async (t) => {
      const { port, set, work } = await started(t);
      assert.equal((await ask(port, '/health')).text, 'well');
      Object.assign(set, { governor: CALM, ms: set.ms + 50 });
      const { status, text } = await ask(port, '/work');
      assert.deepEqual([status, text], [200, 'worked']);
      assert.equal(work.mock.callCount(), 1);
    });
  });
}

it('answers over HTTP/2', async (t) => {
  const { shed } = fakes(t, { governor: LIMIT });
  const turnAway = shed();
  const server = http2.createServer((req, res) => turnAway(req, res, () => res.end('worked')));
  const port = await listening(t, server);
  const client = http2.connect(`http://127.0.0.1:${port}`);
  t.after(() => client.destroy());
  for (const method of ['GET', 'HEAD']) {
    const stream = client.request({ ':path': '/', ':method': method });
    const [headers] = await once(stream, 'response');
    let text = '';
    for await (const chunk of stream.setEncoding('utf8')) text += chunk;
    assert.deepEqual([headers[':status'], headers['retry-after']], [503, '10']);
    if (method === 'GET') assert.deepEqual(JSON.parse(text), BODY);
    else assert.equal(text, '');
  }
});

describe('maxHeapUsedBytes', () => {
  it('turns away while the heap is larger', async (t) => {
    const { shed, set, read } = fakes(t, { memory: { rss: 100, heapUsed: 51 } });
    const turnAway = shed({ maxHeapUsedBytes: 50, sampleInterval: 10 });
    assert.deepEqual(outcome(turnAway), NEXT);
    await samples(read);
    assert.deepEqual(outcome(turnAway), AWAY);
    assert.equal(turnAway.memoryUsage().shedding, 'heapUsedBytes');
    set.memory = { rss: 100, heapUsed: 50 };
    await samples(read);
    assert.deepEqual(outcome(turnAway), NEXT);
  });

  it('turns nothing away where the heap cannot be read', async (t) => {
    const { shed, set, read } = fakes(t, { memory: { rss: 100, heapUsed: 51 } });
    const turnAway = shed({ maxHeapUsedBytes: 50, maxRssBytes: 50, sampleInterval: 10 });
    await samples(read, 2);
    assert.deepEqual(outcome(turnAway), AWAY);
    set.memory = null;
    await samples(read, 2);
    assert.deepEqual(outcome(turnAway), NEXT);
    const { heapUsed, rssBytes } = turnAway.memoryUsage();
    assert.deepEqual([heapUsed, rssBytes], [null, null]);
  });
});

describe('maxRssBytes', () => {
  const ABOVE = { memory: { rss: 101, heapUsed: 10 } };
  const OPTIONS = { maxRssBytes: 100, sampleInterval: 10 };

  it('turns nothing away where a purge helps', async (t) => {
    const { shed, set, read, purge } = fakes(t, ABOVE);
    purge.mock.mockImplementation(async () => {
      set.memory = { rss: 100, heapUsed: 10 };
    });
    const turnAway = shed(OPTIONS);
    for (let i = 0; i < 4; i++) {
      await samples(read);
      assert.deepEqual(outcome(turnAway), NEXT);
    }
    assert.equal(purge.mock.callCount(), 1);
  });

  it('turns away only once a purge has not helped, and until RSS has fallen', async (t) => {
    const { shed, set, read, purge } = fakes(t, ABOVE);
    const run = deferred();
    purge.mock.mockImplementation(() => run.promise);
    const turnAway = shed(OPTIONS);
    await samples(read, 4);
    assert.equal(purge.mock.callCount(), 1);
    assert.deepEqual(outcome(turnAway), NEXT);
    run.resolve();
    await samples(read);
    assert.deepEqual(outcome(turnAway), AWAY);
    assert.equal(turnAway.memoryUsage().shedding, 'rssBytes');
    set.memory = { rss: 100, heapUsed: 10 };
    await samples(read);
    assert.deepEqual(outcome(turnAway), NEXT);
  });

  it('purges for one twentieth of the time at the most', async (t) => {
    const { shed, set, read, purge } = fakes(t, ABOVE);
    purge.mock.mockImplementation(async () => {
      set.ms += 100;
    });
    const turnAway = shed(OPTIONS);
    await samples(read, 4);
    assert.equal(purge.mock.callCount(), 1);
    set.ms += 1899;
    await samples(read, 2);
    assert.equal(purge.mock.callCount(), 1);
    assert.deepEqual(outcome(turnAway), AWAY);
    set.ms += 1;
    await samples(read, 2);
    assert.equal(purge.mock.callCount(), 2);
  });

  const FAILING = [
    async () => {
      throw new Error('no');
    },
    () => {
      throw new Error('no');
    },
  ];
  for (const purge of FAILING) {
    it(`turns away where the purge fails: ${purge}`.replace(/\s+/g, ' '), async (t) => {
      const { shed, read } = fakes(t, { ...ABOVE, purge });
      const turnAway = shed(OPTIONS);
      await samples(read, 2);
      assert.deepEqual(outcome(turnAway), AWAY);
    });
  }

  it('turns nothing away where RSS cannot be read after the purge', async (t) => {
    const { shed, set, read, purge } = fakes(t, ABOVE);
    purge.mock.mockImplementation(async () => {
      set.memory = null;
    });
    const turnAway = shed(OPTIONS);
    await samples(read, 2);
    assert.deepEqual(outcome(turnAway), NEXT);
  });

  it('turns nothing away where the purge ends after stop()', async (t) => {
    const { shed, read, purge } = fakes(t, ABOVE);
    const run = deferred();
    purge.mock.mockImplementation(() => run.promise);
    const turnAway = shed(OPTIONS);
    await samples(read);
    turnAway.stop();
    const reread = once(read, 'read');
    run.resolve();
    await reread;
    assert.deepEqual(outcome(turnAway), NEXT);
  });
});

describe('the event loop', () => {
  function spin(ms) {
    const started = performance.now();
    while (performance.now() - started < ms);
  }

  /** Keeps the event loop busy, with never a turn of it shorter than `ms`, until `done()`. */
  async function busyUntil(done, ms) {
    while (!done()) {
      spin(ms);
      await new Promise(setImmediate);
    }
  }

  const idleUntil = async (done) => {
    while (!done()) await new Promise((resolve) => setTimeout(resolve, 5));
  };

  const real = { now: () => performance.now() };

  it('is too late above maxEventLoopDelay', async (t) => {
    const turnAway = fakes(t, real).shed({ maxEventLoopDelay: 50, sampleInterval: 500 });
    assert.deepEqual(outcome(turnAway), NEXT);
    const shedding = () => turnAway.memoryUsage().shedding;
    await busyUntil(() => shedding() !== null, 150);
    assert.equal(shedding(), 'eventLoopDelay');
    assert.ok(turnAway.memoryUsage().eventLoopDelay > 50);
    assert.deepEqual(outcome(turnAway), AWAY);
    await idleUntil(() => shedding() === null);
    assert.deepEqual(outcome(turnAway), NEXT);
  });

  it('is too late where it was blocked for the whole of an interval', async (t) => {
    const { shed, read } = fakes(t, real);
    const turnAway = shed({ maxEventLoopDelay: 50, sampleInterval: 10 });
    await samples(read, 3);
    spin(200);
    await held(once(read, 'read'));
    assert.ok(turnAway.memoryUsage().eventLoopDelay > 50);
    assert.deepEqual(outcome(turnAway), AWAY);
  });

  it('has too much to do above maxEventLoopUtilization', async (t) => {
    const turnAway = fakes(t, real).shed({ maxEventLoopUtilization: 0.9, sampleInterval: 50 });
    assert.deepEqual(outcome(turnAway), NEXT);
    const shedding = () => turnAway.memoryUsage().shedding;
    await busyUntil(() => shedding() !== null, 20);
    assert.equal(shedding(), 'eventLoopUtilization');
    assert.ok(turnAway.memoryUsage().eventLoopUtilized > 0.9);
    assert.deepEqual(outcome(turnAway), AWAY);
    // The last interval counts, not all since the start.
    await idleUntil(() => shedding() === null);
    assert.deepEqual(outcome(turnAway), NEXT);
  });
});

describe('memoryUsage()', () => {
  it('reads memory when called, and has no figure of the event loop without its threshold', (t) => {
    const { shed, set } = fakes(t, { governor: null });
    const turnAway = shed();
    set.memory = { rss: 7, heapUsed: 5 };
    assert.deepEqual(turnAway.memoryUsage(), {
      eventLoopDelay: null,
      eventLoopUtilized: null,
      heapUsed: 5,
      rssBytes: 7,
      shedding: null,
      shed: 0,
      governor: null,
    });
  });

  it('has no stale figure after stop()', async (t) => {
    const { shed, read } = fakes(t);
    const turnAway = shed({
      maxEventLoopDelay: 1e6,
      maxEventLoopUtilization: 1,
      sampleInterval: 10,
    });
    await samples(read, 2);
    const { eventLoopDelay, eventLoopUtilized } = turnAway.memoryUsage();
    assert.ok(eventLoopDelay >= 0 && eventLoopUtilized >= 0 && eventLoopUtilized <= 1);
    turnAway.stop();
    const after = turnAway.memoryUsage();
    assert.deepEqual([after.eventLoopDelay, after.eventLoopUtilized], [null, null]);
  });

  it('samples nothing without a threshold, and no delay without its own', (t) => {
    const { shed } = fakes(t);
    const histogram = Object.getPrototypeOf(monitorEventLoopDelay());
    const setInterval = t.mock.method(globalThis, 'setInterval');
    const clearInterval = t.mock.method(globalThis, 'clearInterval');
    const enable = t.mock.method(histogram, 'enable');
    const disable = t.mock.method(histogram, 'disable');
    const counts = () => [setInterval, enable, disable].map(({ mock }) => mock.callCount());
    shed();
    assert.deepEqual(counts(), [0, 0, 0]);
    shed({ maxRssBytes: 1 });
    assert.deepEqual(counts(), [1, 0, 0]);
    const turnAway = shed({ maxEventLoopDelay: 1 });
    assert.deepEqual(counts(), [2, 1, 0]);
    turnAway.stop();
    assert.deepEqual(counts(), [2, 1, 1]);
    assert.equal(clearInterval.mock.calls.at(-1).arguments[0], setInterval.mock.calls[1].result);
  });
});

describe('a warning', () => {
  it('is given once in the process, where nothing would ever be turned away', (t) => {
    const { shed, warnings } = fakes(t, { governor: null });
    const [first, second] = [shed(), shed()];
    assert.equal(warnings.length, 0);
    for (const turnAway of [first, second, first]) outcome(turnAway);
    assert.equal(warnings.length, 1);
    assert.match(warnings[0], /^shed\(\) turns no request away: no governor runs.*govern\(\)/);
  });

  it('is given where the governor has ended', (t) => {
    const { shed, warnings } = fakes(t, { governor: { running: false, level: 'calm' } });
    outcome(shed());
    assert.equal(warnings.length, 1);
  });

  it('is not given by what was stopped', (t) => {
    const { shed, warnings } = fakes(t, { governor: null });
    const turnAway = shed();
    turnAway.stop();
    outcome(turnAway);
    assert.deepEqual(warnings, []);
  });

  for (const [governor, options] of [
    [CALM, {}],
    [null, { maxRssBytes: 1 }],
    [null, { maxEventLoopUtilization: 0.5 }],
  ]) {
    it(`is not given with ${JSON.stringify({ governor, options })}`, (t) => {
      const { shed, warnings } = fakes(t, { governor });
      outcome(shed(options));
      assert.deepEqual(warnings, []);
    });
  }
});

describe('options', () => {
  const { shed } = require('..');
  const WRONG = [
    [
      { retryAfter: 0 },
      /^expected `retryAfter` to be an integer number from 1 to 2147483647, got number 0$/,
    ],
    [{ retryAfter: 1.5 }, /`retryAfter`.*got number 1.5$/],
    [{ retryAfter: 2 ** 31 }, /`retryAfter`.*got number 2147483648$/],
    [{ retryAfter: '10' }, /`retryAfter`.*got string "10"$/],
    [{ message: '' }, /^expected `message` to be a non-empty string, got string ""$/],
    [{ message: null }, /`message`.*got null$/],
    [
      { maxEventLoopDelay: -1 },
      /^expected `maxEventLoopDelay` to be a non-negative number, got number -1$/,
    ],
    [{ maxEventLoopDelay: '1s' }, /`maxEventLoopDelay`.*got string "1s"$/],
    [
      { maxEventLoopUtilization: 1.01 },
      /^expected `maxEventLoopUtilization` to be a number from 0 to 1, got number 1.01$/,
    ],
    [{ maxEventLoopUtilization: Number.NaN }, /`maxEventLoopUtilization`.*got number NaN$/],
    [{ maxHeapUsedBytes: Number.POSITIVE_INFINITY }, /`maxHeapUsedBytes`.*got number Infinity$/],
    [{ maxHeapUsedBytes: 5n }, /`maxHeapUsedBytes`.*got bigint 5$/],
    [{ maxRssBytes: '512MB' }, /`maxRssBytes`.*got string "512MB"$/],
    [{ maxRssBytes: [1] }, /`maxRssBytes`.*got array$/],
    [
      { sampleInterval: 9 },
      /^expected `sampleInterval` to be a number from 10 to 2147483647, got number 9$/,
    ],
    [{ sampleInterval: 2 ** 31 }, /`sampleInterval`.*got number 2147483648$/],
    [{ sampleInterval: true }, /`sampleInterval`.*got boolean true$/],
    [
      { healthCheck: () => true },
      /^shed\(\) has no option `healthCheck`; its options: `retryAfter`/,
    ],
    [null, /^expected `options` to be an object, got null$/],
    [5, /^expected `options` to be an object, got number 5$/],
  ];
  for (const [options, message] of WRONG) {
    it(`refuses what gives: ${message.source}`, () => {
      assert.throws(() => shed(options), { code: /^ERR_HEAPGAP_/, message });
    });
  }

  it('takes the bounds', (t) => {
    for (const options of [
      { retryAfter: 1, maxEventLoopUtilization: 0, sampleInterval: 10 },
      { retryAfter: 2 ** 31 - 1, maxEventLoopUtilization: 1, sampleInterval: 2 ** 31 - 1 },
      { maxEventLoopDelay: 0.5, maxHeapUsedBytes: 0, maxRssBytes: Number.MAX_VALUE },
      {},
      undefined,
    ]) {
      assert.equal(typeof fakes(t).shed(options), 'function');
    }
  });

  it('are either taken or refused by name', (t) => {
    const names = [
      'retryAfter',
      'message',
      'maxEventLoopDelay',
      'maxEventLoopUtilization',
      'maxHeapUsedBytes',
      'maxRssBytes',
      'sampleInterval',
    ];
    const { shed: make } = fakes(t);
    fc.assert(
      fc.property(fc.constantFrom(...names), fc.anything({ withBigInt: true }), (name, value) => {
        try {
          make({ [name]: value }).stop();
        } catch (error) {
          assert.match(error.code, /^ERR_HEAPGAP_INVALID_ARG_/);
          assert.ok(error.message.startsWith(`expected \`${name}\` to be `), error.message);
        }
      }),
    );
  });
});

it('answers and counts as @fastify/under-pressure does, under its names', async (t) => {
  const thresholds = {
    maxEventLoopDelay: 1e6,
    maxEventLoopUtilization: 1,
    maxHeapUsedBytes: 1,
    maxRssBytes: 1e15,
    sampleInterval: 10,
  };
  const theirs = fastify();
  t.after(() => theirs.close());
  // It writes into what it is given.
  await theirs.register(require('@fastify/under-pressure'), { ...thresholds });
  theirs.get('/', async () => 'worked');
  const ours = fastify();
  t.after(() => ours.close());
  const { shed, read } = fakes(t);
  const turnAway = shed(thresholds);
  ours.addHook('onRequest', turnAway);
  ours.get('/', async () => 'worked');

  await samples(read, 2);
  while (!theirs.isUnderPressure()) await new Promise((resolve) => setTimeout(resolve, 5));
  const [expected, answer] = [await theirs.inject('/'), await ours.inject('/')];
  assert.equal(expected.statusCode, 503);
  assert.equal(answer.statusCode, expected.statusCode);
  assert.equal(answer.headers['retry-after'], String(expected.headers['retry-after']));
  assert.equal(answer.json().error.message, expected.json().message);
  const figures = turnAway.memoryUsage();
  for (const name of Object.keys(theirs.memoryUsage())) {
    assert.equal(typeof figures[name], 'number', name);
  }
});

describe('a process', () => {
  const run = (code) =>
    finished(process.execPath, ['-e', code], { cwd: __dirname, timeout: 30_000 });
  const ALL =
    '{ maxEventLoopDelay: 1, maxEventLoopUtilization: 1, maxHeapUsedBytes: 1, maxRssBytes: 1, sampleInterval: 10 }';

  it('is not kept alive by shed(), stopped or not', async () => {
    for (const code of [
      `require('..').shed(${ALL})`,
      `require('..').shed(${ALL}).stop()`,
      `require('..').shed(${ALL}); process.exit()`,
    ]) {
      const ended = await run(code);
      assert.deepEqual([ended.code, ended.signal, ended.stderr], [0, null, '']);
    }
  });

  it('is warned once', async () => {
    const ended = await run(`
      const { shed } = require('..');
      for (let i = 0; i < 3; i++) shed()({}, {}, () => console.log('next'));
      process.on('warning', ({ name, code }) => console.log(name, code));`);
    assert.equal(ended.stdout, `${'next\n'.repeat(3)}HeapgapWarning HEAPGAP_SHED\n`);
    assert.equal(ended.stderr.match(/HEAPGAP_SHED/g).length, 1);
  });

  it('above maxRssBytes in live memory is purged, and turns away', async () => {
    const ended = await run(`
      const { shed } = require('..');
      const turnAway = shed({ maxRssBytes: 1, sampleInterval: 10 });
      const wait = setInterval(() => {
        if (turnAway.memoryUsage().shedding === null) return;
        clearInterval(wait);
        const { rssBytes, shedding } = turnAway.memoryUsage();
        console.log(shedding, rssBytes > 1);
      }, 5);`);
    assert.deepEqual([ended.stdout, ended.stderr], ['rssBytes true\n', '']);
  });
});
