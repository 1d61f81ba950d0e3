'use strict';
// What the live page costs: the service that is looked at its CPU, its event loop's time, and whoever looks the bytes of
// the page. --quick: fewer rounds; --only: services (small-glibc, small-jemalloc, 1-gib-glibc, 1-gib-jemalloc) and page, with commas.

const { parseArgs } = require('node:util');

const { inTurn, onJemalloc } = require('./child.js');
const { cleanUp } = require('./process.js');
const { atMost, progress, report, row } = require('./report.js');
const { COUNTS, measureCpu, withPage } = require('./viewer/cpu.js');
const { timeLoads } = require('./viewer/interactive.js');
const { weigh } = require('./viewer/weight.js');

const { values: options } = parseArgs({
  options: { quick: { type: 'boolean', default: false }, only: { type: 'string' } },
});

const [ROUNDS, HOLDS] = options.quick ? [2, 4] : [5, 6];
const TARGET_PERCENT = 0.5;
const TARGET_KB = 100;
const TARGET_INTERACTIVE_MS = 300;
const LOADS = options.quick ? 5 : 30;
/** ARCHITECTURE.md, invariant 3. */
const TARGET_HOLD_MS = 1;
const GIB = 2 ** 30;

const SERVICES = {
  'small-glibc': { words: [], bytes: 0 },
  'small-jemalloc': { words: onJemalloc(), bytes: 0 },
  '1-gib-glibc': { words: [], bytes: GIB },
  '1-gib-jemalloc': { words: onJemalloc(), bytes: GIB },
};

const some = (count) => (count === 1 ? '1 viewer' : `${count} viewers`);

function rowsOf(name, rounds) {
  const each = (count, of) => rounds.map((windows) => of(windows.find((w) => w.count === count)));
  const percent = (count) => each(count, (w) => w.percent);
  const idle = percent(0);
  const watched = COUNTS.filter((count) => count > 0);
  const more = (count) => percent(count).map((value, round) => value - idle[round]);
  const holds = (count) => each(count, (w) => w.holdsMs).flat();
  return [
    row(
      `${name}: RSS`,
      each(0, (w) => w.rss / 2 ** 20),
      'MiB',
    ),
    row(`${name}: CPU, nobody looks`, idle, '%'),
    ...watched.map((count) => {
      const target = count === 1 ? atMost(TARGET_PERCENT) : undefined;
      return row(`${name}: CPU, ${some(count)}: more than nobody`, more(count), '%', target);
    }),
    ...watched.map((count) => {
      const samples = each(count, (w) => w.samplesPerSecond).flat();
      return row(`${name}: ${some(count)}: samples each got`, samples, '/s');
    }),
    row(
      `${name}: 1 viewer: is sent`,
      each(1, (w) => w.kbPerSecond),
      'kB/s',
    ),
    row(`${name}: longest hold in a second, nobody looks`, holds(0), 'ms'),
    row(`${name}: longest hold in a second, 1 viewer`, holds(1), 'ms', atMost(TARGET_HOLD_MS)),
    row(`${name}: longest hold in a second, 8 viewers`, holds(8), 'ms'),
  ];
}

async function serviceRows(name) {
  progress(`${name}: ${ROUNDS} rounds with ${COUNTS.join(', ')} viewers …`);
  const rounds = await measureCpu({ ...SERVICES[name], rounds: ROUNDS, holds: HOLDS });
  return rowsOf(name, rounds);
}

async function pageRows() {
  const [files, loads] = await withPage(async (address) => [
    await weigh(address),
    await timeLoads(address, LOADS),
  ]);
  const total = files.reduce((sum, { bytes }) => sum + bytes, 0);
  return [
    ...files.map(({ name, bytes }) => row(`page: ${name}`, [bytes / 1e3], 'kB')),
    row('page: all, compressed', [total / 1e3], 'kB', atMost(TARGET_KB)),
    row('page: until it can be used, in Chromium', loads, 'ms', atMost(TARGET_INTERACTIVE_MS)),
  ];
}

async function main() {
  const names = options.only?.split(',') ?? [...Object.keys(SERVICES), 'page'];
  const unknown = names.find((name) => name !== 'page' && !Object.hasOwn(SERVICES, name));
  if (unknown !== undefined) throw new Error(`--only knows no ${unknown}`);
  const rows = await inTurn(names, (name) => (name === 'page' ? pageRows() : serviceRows(name)));
  report('viewer', rows.flat());
}

main().catch(async (error) => {
  console.error(`viewer: ${error.message}`);
  await cleanUp();
  process.exit(1);
});
