'use strict';

const assert = require('node:assert/strict');
const { spawn } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const http = require('node:http');
const os = require('node:os');
const path = require('node:path');
const { describe, it } = require('node:test');
const { setTimeout: wait } = require('node:timers/promises');
const fc = require('fast-check');
const { bar, clip, fill, spark, wrap } = require('../lib/cli/watch/draw.js');
const { createEventParser } = require('../lib/cli/watch/events.js');
const { insideModel, outsideModel } = require('../lib/cli/watch/model.js');
const { newLines } = require('../lib/cli/watch/plain.js');
const { next, startState } = require('../lib/cli/watch/state.js');
const { follow } = require('../lib/cli/watch/stream.js');
const { parseTarget, shownAddress } = require('../lib/cli/watch/target.js');
const { bytes } = require('../lib/cli/watch/units.js');
const { draw } = require('../lib/cli/watch/view.js');
const { environment, finished } = require('./support/child.js');
const { BIN, NODE, WAIT, started } = require('./support/doctor.js');
const { copiedNode, lacks } = require('./support/faulty.js');
const { openTerminal } = require('./support/terminal.js');

const MB = 2 ** 20;
/** Samples come each second. */
const DEADLINE_MS = 15_000;
const ESC = String.fromCharCode(0x1b);
const CONTROL = /\p{Cc}|\u202e/u;
const SERVICE = path.join(__dirname, 'children', 'watched.js');
const watch = (target, options) => finished(NODE, [BIN, 'watch', String(target)], options);

/** A service with the route, in a process of its own. */
async function serve(t, { port = 0, options = {} } = {}) {
  const child = spawn(NODE, [SERVICE, String(port), JSON.stringify(options)], {
    env: environment(),
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  const end = () => child.kill('SIGKILL') && exited;
  t.after(end);
  const [line] = await once(child.stdout.setEncoding('utf8'), 'data');
  return { pid: child.pid, port: Number(line), url: routeAt(Number(line)), end };
}

const routeAt = (port) => `http://127.0.0.1:${port}/debug/memory`;

/** Another end that sends what it is told to. */
async function pretend(t, events, answerPurge = (_, res) => res.writeHead(500).end()) {
  const server = http.createServer((req, res) => {
    if (req.method === 'POST') return answerPurge(req, res);
    res.writeHead(200, { 'Content-Type': 'text/event-stream' });
    for (const [event, data] of events)
      res.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return routeAt(server.address().port);
}

const HELLO = { pid: 42, title: 'server.js', host: 'web-1', node: 'v22.0.0', version: '0.1.0' };
const COLUMNS = ['time', 'rss', 'gap', 'heapUsed', 'allocated', 'purges', 'released', 'oomKills'];
const rowOf = (mb, purges = 0) => [1, mb * MB, (mb / 2) * MB, 9 * MB, 8 * MB, purges, 0, 0];
const sampleOf = (mb, purges) => ({
  row: rowOf(mb, purges),
  figures: {
    allocator: { name: 'jemalloc', version: '5.3.1', dirty: 3 * MB },
    cgroup: { limit: 512 * MB, usage: 300 * MB, unreclaimable: 200 * MB, oomKills: 0 },
    governor: null,
  },
});
const DIAGNOSIS = {
  verdict: 'retention',
  summary: 'Half of RSS was freed and not given back: a purge returns it.',
  findings: [{ code: 'retention', severity: 'warning', actions: ['Purge it now.', 'Later.'] }],
  ledger: {
    rss: 100 * MB,
    parts: { v8Heap: { bytes: 30 * MB }, dirty: { bytes: 70 * MB }, muzzy: { bytes: null } },
  },
};
const STREAM = [
  ['hello', HELLO],
  ['history', { columns: COLUMNS, rows: [rowOf(50)] }],
  ['sample', sampleOf(100)],
  ['diagnosis', DIAGNOSIS],
];
const stateAfter = (events) =>
  events.reduce(
    (state, [event, data]) => next(state, { event, data }),
    startState('http://web-1/debug/memory'),
  );
const drawn = (state, size) => draw(insideModel(state, 0), size);

describe('server-sent events', () => {
  const parsed = (...chunks) => {
    const parser = createEventParser();
    return chunks.flatMap((chunk) => parser.push(Buffer.from(chunk)));
  };

  it('reads fields, comments and line ends as the standard says', () => {
    const two = [{ event: 'a', data: 'x\n y' }];
    for (const end of ['\n', '\r\n', '\r'])
      assert.deepEqual(parsed(`event: a${end}: no${end}data:x${end}data:  y${end}${end}:`), two);
    assert.deepEqual(parsed('data\n\n'), [{ event: 'message', data: '' }]);
    assert.deepEqual(parsed('event: forgotten\n\ndata: x\n\n'), [{ event: 'message', data: 'x' }]);
    assert.deepEqual(parsed('id: 7\nretry: 1\nother: x\n\n', 'data: unfinished\n'), []);
    assert.deepEqual(parsed('\ufeffdata: x\r', '\n\r', '\n'), [{ event: 'message', data: 'x' }]);
  });

  it('gives the same events however the bytes are cut', () => {
    const line = fc.oneof(
      fc.constantFrom('', 'event: a', 'data: {"x": 1}', 'data:é☃😀', ':c', 'data', 'retry: 1'),
      fc.string({ unit: 'binary' }).map((text) => `data: ${text}`),
    );
    const text = fc
      .array(fc.tuple(line, fc.constantFrom('\n', '\r\n', '\r')))
      .map((lines) => lines.flat().join(''));
    const cuts = fc.array(fc.nat(300), { maxLength: 20 });
    fc.assert(
      fc.property(text, cuts, (whole, places) => {
        const all = Buffer.from(whole);
        const at = [0, ...places.filter((place) => place <= all.length), all.length];
        at.sort((one, other) => one - other);
        const pieces = at.slice(1).map((end, index) => all.subarray(at[index], end));
        assert.deepEqual(parsed(...pieces), parsed(all));
      }),
    );
  });

  it('gives up on an event without an end', () => {
    const parser = createEventParser();
    const chunk = Buffer.alloc(2 ** 20, 'x');
    assert.throws(() => {
      for (let sent = 0; sent <= 17; sent++) parser.push(chunk);
    }, /an event has no end/);
    const lines = createEventParser();
    const data = Buffer.from(`data: ${'x'.repeat(2 ** 20)}\n`);
    assert.throws(() => {
      for (let sent = 0; sent <= 17; sent++) lines.push(data);
    }, /an event has no end/);
  });
});

describe('what is to be watched', () => {
  const address = (word) => shownAddress(parseTarget([word]).url);

  it('is an address, as short as one likes, or a process', () => {
    const expected = 'http://localhost:3000/debug/memory';
    for (const word of [
      'localhost:3000',
      'http://localhost:3000',
      `${expected}/`,
      `${expected}?a#b`,
    ])
      assert.equal(address(word), expected);
    assert.equal(address('https://a.example/x/'), 'https://a.example/x');
    assert.equal(address('http://user:secret@a.example'), 'http://a.example/debug/memory');
    assert.deepEqual(parseTarget(['4711']), { pid: 4711 });
  });

  it('is nothing else', async () => {
    for (const words of [[], ['a', 'b'], ['ftp://a'], ['/debug'], ['--json'], ['http://'], ['0']])
      assert.throws(
        () => parseTarget(words),
        words.length === 1 ? /got|option|expected/ : /expected/,
      );
    const { code, stderr, stdout } = await watch('--fast');
    assert.equal(code, 125);
    assert.match(stderr, /^heapgap: watch has no option --fast\nSee heapgap --help\.\n$/);
    assert.equal(stdout, '');
  });
});

describe('the drawing', () => {
  it('has every figure at 80 × 24', () => {
    const lines = drawn(stateAfter(STREAM), { columns: 80, rows: 24 });
    const text = lines.join('\n');
    assert.equal(lines.length, 24);
    assert.match(lines[0], /^server\.js {2}pid 42 {2}on web-1 {2}v22\.0\.0 {2}jemalloc 5\.3\.1/);
    assert.match(text, /^RSS +100\.0 MB +██$/m);
    assert.match(text, /^gap +50\.0 MB +▄█$/m);
    assert.match(text, /^heap +9\.0 MB /m);
    assert.match(text, /^allocated +8\.0 MB /m);
    assert.match(text, /limit 512\.0 MB {2}headroom 312\.0 MB {2}200\.0 MB used \(39 %\)/);
    assert.match(text, /retention: Half of RSS .*\n→ retention: Purge it now\./);
    assert.match(text, /dirty +70\.0 MB +70 % █+\nv8Heap +30\.0 MB +30 % █+/);
    assert.doesNotMatch(text, /muzzy|Later/);
    assert.equal(lines.at(-1), 'p purge  q quit');
  });

  it('says what the governor does', () => {
    const governor = { running: true, level: 'pressure', limit: 512 * MB, usage: 400 * MB };
    const done = { purges: 2, released: 9 * MB };
    const { row, figures } = sampleOf(100);
    const after = (state) =>
      drawn(
        stateAfter([...STREAM, ['sample', { row, figures: { ...figures, governor: state } }]]),
        { columns: 80, rows: 24 },
      ).join('\n');
    assert.match(
      after({ ...governor, ...done }),
      /governor: pressure, 400\.0 MB of 512\.0 MB; 2 purges, 9\.0 MB released/,
    );
    assert.match(after({ ...governor, ...done, running: false }), /governor: stopped; 2 purges/);
  });

  it('says when nothing comes any more, and when another process answers', () => {
    const state = stateAfter(STREAM);
    const silent = draw(insideModel(state, 9000), { columns: 80, rows: 24 }).join('\n');
    assert.match(silent, /no sample for 9 s/);
    const lost = next(state, { event: 'lost', data: { reason: 'ECONNRESET' } });
    assert.match(
      drawn(lost, { columns: 80, rows: 24 }).join('\n'),
      /connection lost \(ECONNRESET\)/,
    );
    const other = next(lost, { event: 'hello', data: { ...HELLO, pid: 43 } });
    const text = drawn(other, { columns: 80, rows: 24 }).join('\n');
    assert.match(text, /another process answers: 43, before it was 42/);
    assert.doesNotMatch(text, /connection lost|100\.0 MB/);
  });

  it('says when a process was started anew, whose id in a container is the same', () => {
    const at = (started) => ['hello', { ...HELLO, started }];
    const first = stateAfter([at(1), ...STREAM.slice(1)]);
    const hear = (state, [event, data]) => next(state, { event, data });
    const again = hear(first, at(1));
    assert.deepEqual([again.notice, again.rows], [null, first.rows]);

    const anew = hear(first, at(2));
    assert.equal(anew.notice.text, 'process 42 has been started anew');
    assert.deepEqual([anew.rows, anew.figures, anew.diagnosis], [[], null, null]);
    const text = drawn(anew, { columns: 80, rows: 24 }).join('\n');
    assert.match(text, /process 42 has been started anew/);
    assert.doesNotMatch(text, /100\.0 MB/);

    const line = (before, after) => newLines(before, after, 'hello', () => []);
    assert.deepEqual(line(first, again), ['connected again']);
    assert.deepEqual(line(first, anew), ['process 42 has been started anew']);
    const once = hear(anew, at(3));
    assert.deepEqual(line(anew, once), ['process 42 has been started anew'], 'each time');
    assert.notEqual(once.notice, anew.notice);
  });

  it('keeps what matters most at 40 × 12, and at any size', () => {
    const small = drawn(stateAfter(STREAM), { columns: 40, rows: 12 }).join('\n');
    for (const pattern of [/RSS +100/, /limit 512/, /retention: Half/, /dirty +70/, /q quit/])
      assert.match(small, pattern);
    const size = fc.record({
      columns: fc.integer({ min: 1, max: 300 }),
      rows: fc.integer({ min: 1, max: 99 }),
    });
    fc.assert(
      fc.property(size, (given) => {
        const lines = drawn(stateAfter(STREAM), given);
        assert.equal(lines.length, given.rows);
        for (const line of lines) assert.ok([...line].length <= given.columns, line);
      }),
    );
  });

  it('survives whatever the other end sends, and lets no control character through', () => {
    const event = fc.constantFrom('hello', 'history', 'sample', 'diagnosis', 'lost', 'message');
    const evil = fc.constantFrom('\u001b]0;x\u0007', '\u009b31m', '\u202e', 'a\nb');
    const value = fc.oneof(fc.jsonValue(), evil);
    const shaped = fc.oneof(
      fc.record({ pid: value, title: value, host: value, node: value }),
      fc.record({ columns: fc.oneof(value, fc.constant(COLUMNS)), rows: fc.array(value) }),
      fc.record({
        row: value,
        figures: fc.record({ allocator: value, cgroup: value, governor: value }),
      }),
      fc.record({
        verdict: value,
        summary: value,
        findings: fc.array(value),
        ledger: fc.record({ parts: fc.dictionary(evil, fc.record({ bytes: fc.integer() })) }),
      }),
      value,
    );
    const lost = [['lost', { reason: 'gone' }]];
    fc.assert(
      fc.property(fc.array(fc.tuple(event, shaped)), (events) => {
        const safe = events.map(([name, data]) => (name === 'lost' ? lost[0] : [name, data]));
        const lines = drawn(stateAfter(safe), { columns: 60, rows: 30 });
        for (const line of lines) assert.doesNotMatch(line, CONTROL);
      }),
      { numRuns: 300 },
    );
  });

  it('colours only where it is told to', () => {
    const state = stateAfter(STREAM);
    const size = { columns: 80, rows: 24 };
    const coloured = drawn(state, { ...size, colour: true });
    assert.match(coloured.join('\n'), new RegExp(`${ESC}\\[33mretention:${ESC}\\[0m Half`));
    const bare = coloured.map((line) => line.replaceAll(new RegExp(`${ESC}\\[\\d+m`, 'g'), ''));
    assert.deepEqual(bare, drawn(state, size));
  });

  it('draws charts, bars and text to a width', () => {
    assert.deepEqual(spark([1, 2, 4, null, 8], 5), ['▁▂▄ █']);
    assert.deepEqual(spark([0, 8], 4, 2), ['   █', '  ▁█']);
    assert.deepEqual(spark([1, 9, 1, 1], 2), ['█▁']);
    assert.deepEqual(spark([], 2), ['  ']);
    assert.equal(bar(0.5, 5), '██▌');
    assert.equal(bar(7, 2), '██');
    assert.equal(clip('abcdef', 4), 'abc…');
    assert.equal(fill(['ab', null, 'cd', 'efgh'], 7), 'ab  cd');
    assert.deepEqual(wrap('ab cd efghij k', 5), ['ab cd', 'efghi', 'j k']);
    assert.deepEqual([null, 512, 3 * MB, 8192 * MB].map(bytes), ['—', '1 KB', '3.0 MB', '8.00 GB']);
  });

  it('tells the steps of counters, and none of what is not known', async () => {
    const { eventsBetween } = await import('../dashboard/history.mjs');
    const before = {
      purges: 1,
      released: 5,
      governorPurges: null,
      governorLevel: 'calm',
      oomKills: 0,
    };
    const after = {
      purges: 3,
      released: 5 + 2 * MB,
      governorPurges: 4,
      governorLevel: 'pressure',
      oomKills: 1,
    };
    const linesAt = (rows) =>
      newLines({ rows: rows.slice(0, -1) }, { rows }, 'history', eventsBetween);
    assert.deepEqual(linesAt([before, after]), [
      '2 purges, 2.0 MB returned',
      'The governor’s level: calm → pressure',
      'The OOM killer ended a process of this container',
    ]);
    assert.deepEqual(linesAt([after]), []);
  });
});

/** What the route itself says, of one instant. */
async function figuresOf(url) {
  const response = await fetch(url);
  return response.json();
}

async function purgesOf(url) {
  const controller = new AbortController();
  const events = follow(new URL(url), { signal: controller.signal });
  let state = startState(url);
  let samples = 0;
  for await (const event of events) {
    state = next(state, event);
    if (event.event === 'sample') samples += 1;
    // The first one may be older than this call.
    if (samples === 2) break;
  }
  controller.abort();
  return state.rows.at(-1).purges;
}

const mbAfter = (text, label) => Number(new RegExp(`^${label} +([\\d.]+) MB`, 'm').exec(text)?.[1]);

function assertNear(shown, actual, what) {
  const expected = actual / MB;
  assert.ok(Math.abs(shown - expected) <= 0.2 * expected + 1, `${what}: ${shown}, not ${expected}`);
}

const command = (target) => `exec 3>&1; '${NODE}' '${BIN}' watch ${target}; echo "status=$?"`;
const USUAL = '0 1 1';

async function assertRestored(terminal) {
  assert.equal(terminal.modes(), USUAL);
  terminal.run(
    'stty -a | tr " " "\\n" | grep -xE -e "-?(icanon|echo|isig)[;]?" | xargs echo modes',
  );
  await terminal.until(/^modes (isig icanon|icanon isig) echo|^modes isig icanon echo/m);
}

describe('in a terminal', () => {
  for (const [columns, rows] of [
    [80, 24],
    [40, 12],
  ]) {
    it(`shows at ${columns} × ${rows} what the route says, purges, and leaves nothing behind`, async (t) => {
      const terminal = openTerminal(t, { columns, rows });
      if (!terminal) return;
      const { url, pid } = await serve(t, { options: { minIntervalMs: 600_000 } });
      terminal.run(command(url));
      const screen = await terminal.until(/healthy: RSS/);
      const { process: memory, gap, v8 } = await figuresOf(url);
      assertNear(mbAfter(screen, 'RSS'), memory.rss, 'RSS');
      assertNear(mbAfter(screen, 'gap'), gap, 'gap');
      assertNear(mbAfter(screen, 'heap'), v8.heapUsed, 'heap');
      assert.match(screen, new RegExp(`pid ${pid}`));
      assert.match(screen, /p purge {2}q quit\s*$/);
      assert.match(screen, /code +\d/);
      assert.equal(terminal.lines().length, rows);
      assert.equal(terminal.modes(), '1 0 0');
      const before = await purgesOf(url);
      terminal.type('p');
      await terminal.until(/purged: RSS [\d.]+ MB/);
      assert.equal(await purgesOf(url), before + 1);
      terminal.type('p');
      await terminal.until(/no purge: HTTP 429/);
      assert.equal(await purgesOf(url), before + 1);
      terminal.type('q');
      await terminal.until(/status=0/);
      await assertRestored(terminal);
    });
  }

  it('follows the size of the terminal, however small', async (t) => {
    const terminal = openTerminal(t, { columns: 80, rows: 24 });
    if (!terminal) return;
    const { url } = await serve(t);
    terminal.run(command(url));
    await terminal.until(/q quit\s*$/);
    for (const [columns, rows] of [
      [120, 40],
      [5, 2],
      [60, 20],
    ]) {
      terminal.resize(columns, rows);
      const isLast = () => `${terminal.lines().length} ${terminal.lines().at(-1)}`;
      await terminal.until(new RegExp(`^${rows} p p?`), isLast);
    }
    await terminal.until(/RSS +[\d.]+ MB/);
    terminal.press('C-c');
    await terminal.until(/status=0/);
    await assertRestored(terminal);
  });

  it('says that the connection is lost, and goes on with who answers next', async (t) => {
    const terminal = openTerminal(t, { columns: 100, rows: 24 });
    if (!terminal) return;
    const first = await serve(t);
    terminal.run(command(first.url));
    await terminal.until(new RegExp(`pid ${first.pid} `));
    await first.end();
    await terminal.until(/connection lost \(.*\); trying again/);
    const second = await serve(t, { port: first.port });
    const screen = await terminal.until(new RegExp(`pid ${second.pid} `));
    assert.match(
      screen,
      new RegExp(`another process answers: ${second.pid}, before it was ${first.pid}`),
    );
    assert.doesNotMatch(screen, /connection lost/);
    await terminal.until(/healthy: RSS/);
  });

  for (const [how, signal] of [
    ['SIGTERM', 'SIGTERM'],
    ['an exception', 'SIGUSR2'],
  ]) {
    it(`gives the terminal back after ${how}`, async (t) => {
      const terminal = openTerminal(t, { columns: 80, rows: 24 });
      if (!terminal) return;
      const { url } = await serve(t);
      const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'heapgap-watch-'));
      t.after(() => fs.rmSync(folder, { recursive: true }));
      const preload = path.join(folder, 'preload.js');
      const pidFile = path.join(folder, 'pid');
      fs.writeFileSync(
        preload,
        `process.on('SIGUSR2', () => { throw new Error('on purpose'); });
        require('node:fs').writeFileSync(${JSON.stringify(pidFile)}, String(process.pid));`,
      );
      terminal.run(command(url).replace(` '${BIN}'`, ` -r '${preload}' '${BIN}'`));
      await terminal.until(/q quit\s*$/);
      process.kill(Number(fs.readFileSync(pidFile, 'utf8')), signal);
      const screen = await terminal.until(/status=\d+/);
      if (signal === 'SIGTERM') assert.match(screen, /status=143/);
      else assert.match(screen, /Error: on purpose[\s\S]*status=[17]/);
      await assertRestored(terminal);
    });
  }

  it('writes lines to a dumb one, and no colour where none is wanted', async (t) => {
    const dumb = openTerminal(t, { columns: 120, rows: 24 });
    if (!dumb) return;
    const { url } = await serve(t);
    dumb.run(`TERM=dumb; export TERM; ${command(url)}`);
    await dumb.until(/Z {2}rss [\d.]+ MB/);
    assert.equal(dumb.modes(), USUAL);
    for (const [env, pattern] of [
      [{}, new RegExp(`${ESC}\\[3\\dm`)],
      [{ NO_COLOR: '1' }, new RegExp(`^[^${ESC}]*$`)],
    ]) {
      const terminal = openTerminal(t, { columns: 80, rows: 24, env });
      terminal.run(command(url));
      await terminal.until(/healthy: RSS/);
      assert.match(terminal.styled(), pattern);
    }
  });

  it('shows a hostile end as text', async (t) => {
    const evil = '\u001b]2;owned\u0007\u009b31mx';
    const finding = { code: evil, severity: evil, actions: [evil] };
    const url = await pretend(t, [
      ['hello', { ...HELLO, title: evil, host: evil, node: evil }],
      ...STREAM.slice(1, 3),
      ['diagnosis', { ...DIAGNOSIS, verdict: evil, summary: evil, findings: [finding] }],
    ]);
    const terminal = openTerminal(t, { columns: 120, rows: 24 });
    if (!terminal) return;
    terminal.run(command(url));
    await terminal.until(/→ \\u001b\]2;owned\\u0007\\u009b31mx/);
    assert.doesNotMatch(terminal.title(), /owned/);
  });

  it('asks again where another worker of a cluster answers', async (t) => {
    const asked = [];
    const url = await pretend(t, STREAM, (req, res) => {
      asked.push(req.url);
      if (asked.length < 4) {
        const error = { code: 'ERR_HEAPGAP_OTHER_PROCESS', message: 'another one' };
        return res.writeHead(409).end(JSON.stringify({ error }));
      }
      const report = { method: 'malloc_trim', rssBefore: 100 * MB, rssAfter: 70 * MB };
      return res.end(JSON.stringify({ ...report, released: 30 * MB }));
    });
    const terminal = openTerminal(t, { columns: 80, rows: 24 });
    if (!terminal) return;
    terminal.run(command(url));
    await terminal.until(/q quit\s*$/);
    terminal.type('p');
    await terminal.until(/purged: RSS 100\.0 MB → 70\.0 MB, released 30\.0 MB/);
    assert.deepEqual(asked, Array(4).fill('/debug/memory/purge?pid=42'));
  });
});

/** `heapgap watch` with its lines; ended after the test. */
function lined(t, target, env) {
  const child = spawn(NODE, [BIN, 'watch', String(target)], { env: environment(env) });
  t.after(() => child.kill('SIGKILL'));
  const closed = once(child, 'close');
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (more) => {
    text += more;
    child.emit('more');
  });
  const until = async (pattern) => {
    const late = wait(DEADLINE_MS, null, { ref: false });
    while (!pattern.test(text)) {
      const end = closed.then(() => null);
      const more = await Promise.race([once(child, 'more'), end, late]);
      if (more === null) throw new Error(`no ${pattern} in what came:\n${text}`);
    }
    return text;
  };
  return { child, closed, until };
}

describe('without a terminal', () => {
  it('writes a line for each sample, verdict and event', { timeout: 60_000 }, async (t) => {
    const { url, pid, port, end } = await serve(t);
    const { child, closed, until } = lined(t, url);
    const text = await until(/verdict healthy: RSS is \d+ MB/);
    const { process: memory } = await figuresOf(url);
    assert.match(
      text,
      new RegExp(`^\\S+Z {2}watched\\.js, pid ${pid} on .*, ${process.version}\n`),
    );
    const [, rss] =
      /rss ([\d.]+) MB {2}gap [\d.]+ MB {2}heap [\d.]+ MB {2}allocated .* {2}dirty .* {2}used /.exec(
        text,
      );
    assertNear(Number(rss), memory.rss, 'RSS');
    await fetch(`${url}/purge`, { method: 'POST' });
    await until(/Z {2}Purge(?:, [\d.]+ [KM]B returned)?\n/);
    await end();
    await until(/Z {2}lost: .*; trying again\n/);
    const second = await serve(t, { port });
    const all = await until(
      new RegExp(`another process answers: ${second.pid}, before it was ${pid}\n.* rss `, 's'),
    );
    assert.equal(all.match(/lost:/g).length, 1);
    assert.doesNotMatch(all.replaceAll('\n', ''), CONTROL);
    child.stdout.destroy();
    const [code, signal] = await closed;
    assert.deepEqual([code, signal], [0, null]);
  });

  it('makes nothing of events that only the command itself may make', async (t) => {
    const text = '\u001b]2;owned\u0007';
    const url = await pretend(t, [
      STREAM[0],
      ['lost', { reason: text }],
      ['lost', null],
      ['notice', { text }],
      ['notice', null],
      ...STREAM.slice(1),
    ]);
    const { until } = lined(t, url);
    const all = await until(/verdict retention/);
    assert.doesNotMatch(all, /owned|lost/);
  });

  it('ends with 2 where there is nothing to follow', { timeout: 60_000 }, async (t) => {
    const token = 'correct horse battery staple';
    const { url, port } = await serve(t, { options: { token } });
    const plain = http.createServer((_, res) => res.end('hello\u001b[31m'));
    plain.listen(0, '127.0.0.1');
    await once(plain, 'listening');
    t.after(() => plain.close());
    for (const [target, why, env] of [
      ['127.0.0.1:1', /cannot watch http:\/\/127\.0\.0\.1:1\/debug\/memory: connect ECONNREFUSED/],
      [`127.0.0.1:${port}/other`, /HTTP 404: no such path/],
      [url, /HTTP 401: the header `Authorization: Bearer <token>` is missing or wrong/],
      [url, /HTTP 401/, { HEAPGAP_TOKEN: 'another' }],
      [`127.0.0.1:${plain.address().port}`, /no stream of heapgap's route: it answers nothing/],
    ]) {
      const { code, stdout, stderr } = await watch(target, { env });
      assert.equal(code, 2, stderr);
      assert.match(stderr, /^heapgap: cannot watch [^\n]*\n$/);
      assert.match(stderr, why);
      assert.equal(stdout, '');
    }
    const { until } = lined(t, `127.0.0.1:${port}`, { HEAPGAP_TOKEN: token });
    await until(/rss [\d.]+ MB/);
  });
});

describe('a process, from outside', { timeout: 60_000 }, () => {
  const numberIn = (text, name) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(text)[1]);

  it("shows the kernel's figures, and says that there is more", async (t) => {
    const pid = await started(t, [NODE, '-e', WAIT]);
    const { closed, until, child } = lined(t, pid);
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (text) => {
      stderr += text;
    });
    const text = await until(/ rss .*\n.* rss .*\n/);
    assert.match(text, /need heapgap's route in the process: app\.use\(heapgap\.route\(\)\)/);
    const status = fs.readFileSync(`/proc/${pid}/status`, 'utf8');
    for (const [name, line] of Object.entries({ rss: 'VmRSS', anon: 'RssAnon', file: 'RssFile' })) {
      const shown = Number(new RegExp(` ${name} ([\\d.]+) MB`).exec(text)[1]);
      assertNear(shown, numberIn(status, line) * 1024, name);
    }
    const [, v8, malloc, threads] = /v8 ([\d.]+) MB {2}malloc ([\d.]+) MB {2}threads (\d+)/.exec(
      text,
    );
    assert.ok(v8 > 2 && malloc > 1, text);
    assert.equal(Number(threads), numberIn(status, 'Threads'));
    process.kill(pid, 'SIGKILL');
    const [code] = await closed;
    assert.equal(code, 0);
    assert.equal(stderr, `heapgap: process ${pid} has ended\n`);
  });

  it('is drawn as a screen, too', async (t) => {
    const terminal = openTerminal(t, { columns: 80, rows: 24 });
    if (!terminal) return;
    const pid = await started(t, [NODE, '-e', WAIT]);
    terminal.run(command(pid));
    const screen = await terminal.until(/From outside: .*\n/);
    assert.match(screen, new RegExp(`^node {2}pid ${pid} {2}\\d+ threads`));
    assert.match(screen, /^code +[\d.]+ MB/m);
    assert.match(screen, /^v8 +[\d.]+ MB/m);
    assert.match(screen, /\nq quit\s*$/);
    terminal.type('q');
    await terminal.until(/status=0/);
    await assertRestored(terminal);
  });

  it('draws what it knows, and leaves out what it does not', () => {
    const kinds = [
      { kind: 'v8', rss: 30 * MB },
      { kind: 'wasm', rss: 0 },
    ];
    const row = { rss: 80 * MB, anon: 60 * MB, file: null, limit: null, usage: null, kinds };
    const model = outsideModel({ pid: 7, label: 'node a.js', rows: [row], notice: 'no swap' });
    const text = draw(model, { columns: 80, rows: 24 }).join('\n');
    assert.match(text, /^node a\.js {2}pid 7 {2}from outside\nno swap\n/);
    assert.match(text, /^file +— /m);
    assert.match(text, /^v8 +30\.0 MB +38 % █+$/m);
    assert.doesNotMatch(text, /wasm|p purge/);
  });

  it('ends with 2 where there is none, or it may not be looked at', async (t) => {
    const gone = await watch(2 ** 22 + 1);
    assert.equal(gone.code, 2);
    assert.equal(gone.stderr, `heapgap: cannot watch: there is no process ${2 ** 22 + 1}\n`);
    if (process.getuid() !== 0) return lacks(t, 'root, for setpriv');
    const pid = await started(t, [NODE, '-e', WAIT]);
    const nobody = ['--reuid=65534', '--regid=65534', '--clear-groups'];
    const words = [...nobody, copiedNode(t), BIN, 'watch', String(pid)];
    const { code, stderr } = await finished('setpriv', words);
    assert.equal(code, 2, stderr);
    assert.match(
      stderr,
      new RegExp(
        `^heapgap: cannot watch: process ${pid} may only be watched by its user or root \\(.*\\)\n$`,
      ),
    );
  });
});
