'use strict';
// The same load on the libc's allocator and under `heapgap run`, and what was measured of both.

const { setTimeout: sleep } = require('node:timers/promises');

const heapgap = require('../../index.js');
const { findLibrary } = require('../../lib/library.js');
const { FULL, sendBurst } = require('./load.js');
const { onLibc, request, startService, stopService, underHeapgap } = require('./service.js');

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
      await sendBurst(service, FULL, burst, tally);
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

async function compare() {
  const libc = libcAllocator();
  const { library, why } = findLibrary();
  if (!library) throw new Error(`there is no jemalloc to compare with: ${why}`);
  const words = ['--expose-gc'];
  const first = await runService(`1/2 ${libc}`, onLibc(words), libc);
  const second = await runService('2/2 heapgap run', underHeapgap(words), 'jemalloc');
  progress.clear();
  console.log(`${table([first, second])}\n\n${verdict(first, second)}`);
}

module.exports = { compare, progress };
