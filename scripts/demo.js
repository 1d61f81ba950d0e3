'use strict';

// Puts the same load on the Express example twice, on the libc's allocator and under
// `heapgap run`, reads both services' /debug/memory, and prints what was measured.

const { spawn } = require('node:child_process');
const path = require('node:path');
const { setTimeout: sleep } = require('node:timers/promises');

const autocannon = require('autocannon');
const heapgap = require('../index.js');
const { findLibrary } = require('../lib/library.js');

const ROOT = path.join(__dirname, '..');
const SERVER = path.join(ROOT, 'examples', 'express', 'server.js');
const CLI = path.join(ROOT, 'bin', 'heapgap.js');

const START_MS = 15_000;
const STOP_MS = 5_000;
const DEADLINE_MS = 160_000;
const POLL_MS = 250;
const IDLE_MS = 1_000;
const SETTLE_MS = 10_000;
const NEWS_MS = process.stderr.isTTY ? 0 : 5_000;

const BURSTS = [
  { strength: 1, seconds: 5 },
  { strength: 1.6, seconds: 6 },
  { strength: 0.5, seconds: 5 },
  { strength: 1.8, seconds: 6 },
  { strength: 0.6, seconds: 5 },
];

const JSON_BODY = { 'content-type': 'application/json' };
const RAW_BODY = { 'content-type': 'application/octet-stream' };

function login(visits) {
  const history = Array.from({ length: visits }, (_, i) => ({
    page: `/products/${(i * 7919) % 9973}`,
    title: `Product ${(i * 104729) % 99991}`,
    seconds: (i * 31) % 600,
    from: { kind: ['search', 'list', 'link'][i % 3], rank: i % 40, paid: i % 7 === 0 },
  }));
  return [
    {
      method: 'POST',
      path: '/sessions',
      headers: JSON_BODY,
      body: JSON.stringify({ password: 'correct horse battery staple', history }),
      onResponse: (status, body, context) => {
        if (status === 201) context.session = JSON.parse(body).id;
      },
    },
    {
      method: 'GET',
      path: '/sessions/none',
      setupRequest: (request, context) => ({ ...request, path: `/sessions/${context.session}` }),
    },
  ];
}

function upload(kilobytes) {
  const body = Buffer.alloc(kilobytes * 1024);
  for (let at = 0, row = 0; at < body.length; row += 1) {
    at += body.write(`${row},${(row * 7919) % 999983},row ${row} of the export\n`, at);
  }
  return { method: 'POST', path: '/uploads', headers: RAW_BODY, body };
}

/** What a burst of strength 1 sends: `connections`, each with `rate` requests a second. */
const LOAD = [
  { connections: 10, rate: 3, requests: [150, 500, 1200].flatMap(login) },
  { connections: 20, rate: 1, requests: [200, 700, 1600].map(upload) },
  { connections: 10, rate: 1, requests: [{ path: '/gateway' }] },
  { connections: 10, rate: 2, requests: [{ path: '/resolve' }] },
];

/** The news of the run, on stderr: one line that changes on a terminal, else one now and then. */
const progress = {
  shownAt: 0,
  show(text) {
    if (Date.now() - this.shownAt < NEWS_MS) return;
    this.shownAt = Date.now();
    const { isTTY, columns } = process.stderr;
    process.stderr.write(isTTY ? `\r\x1b[K${text.slice(0, columns - 1)}` : `${text}\n`);
  },
  clear() {
    if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
  },
};

/** The environment without what would choose or tune an allocator behind the demo's back. */
function plainEnvironment() {
  const tuned = /^(LD_PRELOAD$|MALLOC_|GLIBC_TUNABLES$|HEAPGAP_)/;
  const kept = Object.entries(process.env).filter(([name]) => !tuned.test(name));
  return { ...Object.fromEntries(kept), HOST: '127.0.0.1', PORT: '0', PURGE_AFTER_BURST: '0' };
}

/** The services that are running: each leads a process group of its own, to be ended as one. */
const services = new Set();

function signal(child, name) {
  try {
    process.kill(-child.pid, name);
  } catch (error) {
    if (error.code !== 'ESRCH') throw error;
  }
}

function killServices() {
  for (const child of services) signal(child, 'SIGKILL');
}

/** Starts a service; answers it with `failed`, a promise that rejects when it ends too soon. */
async function startService(argv) {
  const child = spawn(process.execPath, argv, {
    cwd: ROOT,
    env: plainEnvironment(),
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  child.once('spawn', () => services.add(child));
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text) => {
    said = (said + text).slice(-2000);
  });
  const command = `node ${argv.map((arg) => path.relative(ROOT, arg) || arg).join(' ')}`;
  const failed = new Promise((_, reject) => {
    child.once('error', (error) => reject(new Error(`${command}: ${error.message}`)));
    child.once('close', (code, name) => {
      reject(new Error(`${command} ended with ${name ?? `code ${code}`}\n${said}`.trimEnd()));
    });
  });
  failed.catch(() => {});
  const memory = await Promise.race([printedUrl(child, command), failed]);
  return { child, failed, memory, url: new URL('/', memory).href, said: () => said };
}

function printedUrl(child, command) {
  return new Promise((resolve, reject) => {
    const late = () => reject(new Error(`${command} printed no URL within ${START_MS / 1000} s`));
    const timer = setTimeout(late, START_MS);
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text) => {
      output += text;
      const match = /(http:\S+\/debug\/memory)\n/.exec(output);
      if (!match) return;
      clearTimeout(timer);
      resolve(match[1]);
    });
  });
}

async function stopService({ child }) {
  const closed = new Promise((resolve) => child.once('close', resolve));
  if (child.exitCode === null && child.signalCode === null) {
    signal(child, 'SIGTERM');
    await Promise.race([closed, sleep(STOP_MS, null, { ref: false })]);
  }
  signal(child, 'SIGKILL');
  services.delete(child);
}

async function request(method, url) {
  let response;
  try {
    response = await fetch(url, { method, signal: AbortSignal.timeout(15_000) });
  } catch (error) {
    throw new Error(`${method} ${url} failed: ${error.cause?.message ?? error.message}`);
  }
  const body = await response.text();
  if (!response.ok) throw new Error(`${method} ${url} answered ${response.status}: ${body}`);
  return body && JSON.parse(body);
}

/** Sends one kind of request at its rate until each of them is answered. */
async function sendKind(service, { connections, rate, requests }, { strength, seconds }, tally) {
  const lines = Math.round(connections * strength);
  const overallRate = lines * rate;
  const run = autocannon({
    url: service.url,
    connections: lines,
    overallRate,
    amount: overallRate * seconds,
    requests,
    timeout: 20,
    ignoreCoordinatedOmission: true,
  });
  run.on('response', (_client, status, _bytes, latency) => {
    tally.latencies.push(latency);
    if (status < 200 || status > 299) tally.errors += 1;
  });
  run.on('reqError', () => {
    tally.errors += 1;
  });
  await run;
}

/** All kinds at once. Each sends at its own moment of the second, or they would beat as one. */
async function sendBurst(service, burst, tally) {
  const sending = LOAD.map(async (kind, i) => {
    await sleep((i * 1000) / LOAD.length);
    await sendKind(service, kind, burst, tally);
  });
  await Promise.all(sending);
}

/** Reads /debug/memory until `finished` settles; answers the reading with the largest RSS. */
async function watch(service, finished, describe) {
  let over = false;
  const end = finished.finally(() => {
    over = true;
  });
  end.catch(() => {});
  let peak = null;
  while (!over) {
    const reading = await request('GET', service.memory);
    if (peak === null || reading.rss > peak.rss) peak = reading;
    progress.show(`${describe()}: RSS ${mb(reading.rss)}, heap ${mb(reading.heapUsed)}`);
    await sleep(POLL_MS);
  }
  await end;
  return peak;
}

async function measure(service, title, tally) {
  const before = await request('GET', service.memory);
  let phase = '';
  const load = async () => {
    for (const [i, burst] of BURSTS.entries()) {
      phase = `burst ${i + 1} of ${BURSTS.length}`;
      await sendBurst(service, burst, tally);
      await sleep(IDLE_MS);
    }
  };
  const done = () => `${title}, ${phase}, ${tally.latencies.length} requests`;
  const peak = await watch(service, load(), done);
  const ended = await request('GET', service.memory);
  // What V8 has yet to collect is chance and looks like a gap: both services start level here.
  await request('POST', new URL('/gc', service.url));
  await watch(service, sleep(SETTLE_MS), () => `${title}, after the load`);
  const after = await request('GET', service.memory);
  const purge = await request('POST', `${service.memory}/purge`);
  const purged = await request('GET', service.memory);
  return { before, peak, ended, after, purge, purged, ...tally };
}

async function runService(title, argv, allocator) {
  progress.show(`${title}, starting`);
  const service = await startService(argv);
  try {
    const { allocator: live } = await request('GET', service.memory);
    if (live.name !== allocator) {
      const got = `${title}: expected the allocator ${allocator}, got ${live.name}`;
      throw new Error(`${got}\n${service.said()}`.trimEnd());
    }
    const tally = { latencies: [], errors: 0 };
    return await Promise.race([measure(service, title, tally), service.failed]);
  } finally {
    await stopService(service);
  }
}

const mb = (bytes) => (bytes == null ? '—' : `${Math.round(bytes / 1024 / 1024)} MB`);
const ms = (time) => (time == null ? '—' : `${Math.round(time)} ms`);

function p99(latencies) {
  const sorted = Float64Array.from(latencies).sort();
  return sorted[Math.ceil(sorted.length * 0.99) - 1];
}

function column(run) {
  const { before, peak, ended, after, purge, purged } = run;
  return [
    ['RSS before the load', mb(before.rss)],
    ['RSS at the peak', mb(peak.rss)],
    ['RSS as the load ended', mb(ended.rss)],
    ['RSS after the load', mb(after.rss)],
    ['RSS after a purge', mb(purged.rss)],
    ['At the peak'],
    ['  heap used', mb(peak.heapUsed)],
    ['  array buffers', mb(peak.arrayBuffers)],
    ['  gap', mb(peak.gap)],
    ['  allocated', mb(peak.allocator.allocated)],
    [`After the load: a full GC, then ${SETTLE_MS / 1000} s`],
    ['  heap used', mb(after.heapUsed)],
    ['  array buffers', mb(after.arrayBuffers)],
    ['  gap', mb(after.gap)],
    ['  allocated', mb(after.allocator.allocated)],
    ['  active', mb(after.allocator.active)],
    ['  dirty', mb(after.allocator.dirty)],
    ['  resident', mb(after.allocator.resident)],
    ['  retained', mb(after.allocator.retained)],
    ['Purge'],
    ['  released', mb(purge.released)],
    ['  duration', ms(purge.durationMs)],
    ['Requests'],
    ['  p99 latency', ms(p99(run.latencies))],
    ['  done', String(run.latencies.length)],
    ['  errors', String(run.errors)],
  ];
}

function table(runs) {
  const columns = runs.map(column);
  const rows = columns[0].map(([name], i) => [name, ...columns.map((rows) => rows[i][1] ?? '')]);
  const head = ['', ...runs.map((run) => run.after.allocator.name)];
  const line = ([name, ...cells]) =>
    (name.padEnd(22) + cells.map((cell) => cell.padStart(12)).join('')).trimEnd();
  return [line(head), '─'.repeat(46), ...rows.map(line)].join('\n');
}

function change(from, to) {
  const percent = Math.round((to / from - 1) * 100);
  return `${percent > 0 ? '+' : percent < 0 ? '−' : '±'}${Math.abs(percent)} %`;
}

function verdict(libc, jemalloc) {
  const name = libc.after.allocator.name;
  const [from, to] = [libc.after.rss, jemalloc.after.rss];
  const worse = to > from ? ', so jemalloc did worse in this run' : '';
  return (
    `After the load and a full GC ${name} kept ${mb(from)} resident ` +
    `for a heap of ${mb(libc.after.heapUsed)}; ` +
    `under heapgap run it was ${mb(to)} for ${mb(jemalloc.after.heapUsed)} ` +
    `(${change(from, to)})${worse}, and a purge brought them to ` +
    `${mb(libc.purged.rss)} and ${mb(jemalloc.purged.rss)}; ` +
    `the peaks were ${mb(libc.peak.rss)} and ${mb(jemalloc.peak.rss)}.`
  );
}

/** The name of the libc's allocator; throws where heapgap cannot read it. */
function libcAllocator() {
  const { capabilities, evidence } = heapgap.allocator();
  if (!capabilities.stats) throw new Error(`nothing to measure here: ${evidence.join('; ')}`);
  return process.report.getReport().header.glibcVersionRuntime ? 'glibc' : 'musl';
}

async function main() {
  const libc = libcAllocator();
  const { library, why } = findLibrary();
  if (!library) throw new Error(`there is no jemalloc to compare with: ${why}`);
  const service = ['--expose-gc', SERVER];
  const first = await runService(`1/2 ${libc}`, service, libc);
  const second = await runService(
    '2/2 heapgap run',
    [CLI, 'run', '--', 'node', ...service],
    'jemalloc',
  );
  progress.clear();
  console.log(`${table([first, second])}\n\n${verdict(first, second)}`);
}

function fail(error, code = 1) {
  progress.clear();
  console.error(`demo: ${error.message}`);
  process.exit(code);
}

process.once('exit', killServices);
process.once('SIGINT', () => fail(new Error('interrupted'), 130));
process.once('SIGTERM', () => fail(new Error('terminated'), 143));
setTimeout(() => fail(new Error(`not done after ${DEADLINE_MS / 1000} s`)), DEADLINE_MS).unref();
main().then(() => process.exit(0), fail);
