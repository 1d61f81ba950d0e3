'use strict';
// What reading costs, side by side with its floor, in the same process and the same run.
// Prints what it measured; targets are printed beside it, and missing one is no failure.

const fs = require('node:fs');
const path = require('node:path');

const { LIBRARY, buildFloors, inTurn, onJemalloc, repeat, runChild } = require('./child.js');
const { atLeast, atMost, progress, report, row } = require('./report.js');

const root = path.join(__dirname, '..');
const REQUIRE_RUNS = 21;

async function readingRows(floors) {
  const configurations = [
    ['jemalloc', onJemalloc()],
    ['jemalloc, narenas:2', onJemalloc('narenas:2')],
    ['glibc', []],
  ];
  const rows = await inTurn(configurations, async ([name, words]) => {
    progress(`reading on ${name} …`);
    const rounds = await runChild('read.js', [floors], { words });
    const per = (of) => rounds.map(of);
    const common = [
      row(
        `${name}: stats()`,
        per((r) => r.stats),
        'µs',
      ),
      row(
        `${name}: snapshot()`,
        per((r) => r.snapshot),
        'µs',
      ),
      row(
        `${name}: snapshot() ÷ its floor`,
        per((r) => r.snapshot / r.floor),
        '×',
        atMost(1.3),
      ),
    ];
    if (name === 'glibc') {
      return [
        ...common,
        row(
          'glibc: snapshot() ÷ process.memoryUsage()',
          per((r) => r.snapshot / r.memoryUsage),
          '×',
          atMost(3),
        ),
        row(
          'glibc: snapshot({ maxAgeMs: 100 }) ÷ process.memoryUsage()',
          per((r) => r.snapshotAged / r.memoryUsage),
          '×',
          atMost(3),
        ),
        row(
          'process.memoryUsage()',
          per((r) => r.memoryUsage),
          'µs',
        ),
        row(
          'process.memoryUsage.rss()',
          per((r) => r.memoryUsageRss),
          'µs',
        ),
        row(
          'RSS from an open statm',
          per((r) => r.rss),
          'µs',
        ),
        row(
          'process.memoryUsage.rss() ÷ RSS from an open statm',
          per((r) => r.memoryUsageRss / r.rss),
          '×',
          atLeast(4),
        ),
      ];
    }
    return [
      row(
        `${name}: bare mallctl calls`,
        per((r) => r.mallctl),
        'µs',
      ),
      row(
        `${name}: stats() − bare mallctl calls`,
        per((r) => r.stats - r.mallctl),
        'µs',
        atMost(1.5),
      ),
      row(
        `${name}: stats({ maxAgeMs: 100 })`,
        per((r) => r.statsAged),
        'µs',
      ),
      ...common,
    ];
  });
  return rows.flat();
}

async function requireRows() {
  progress(`require('heapgap'), ${REQUIRE_RUNS} processes …`);
  const times = await repeat(REQUIRE_RUNS, () => runChild('require.js'));
  return [
    row(
      "require('heapgap')",
      times.map((t) => t.heapgap),
      'ms',
      atMost(3),
    ),
    row(
      "require('node:http'), for comparison",
      times.map((t) => t.http),
      'ms',
    ),
  ];
}

async function purgeRows() {
  const rounds = await repeat(5, (round) => {
    progress(`purging 1 GiB, round ${round} of 5 …`);
    return runChild('purge.js', [2 ** 30], { words: onJemalloc('dirty_decay_ms:-1') });
  });
  return [
    row(
      'purge of 1 GiB: longest event-loop delay',
      rounds.map((r) => r.delayMs),
      'ms',
      atMost(5),
    ),
    row(
      'as long without a purge: longest delay',
      rounds.map((r) => r.idleDelayMs),
      'ms',
    ),
    row(
      'purge of 1 GiB: duration',
      rounds.map((r) => r.durationMs),
      'ms',
    ),
    row(
      'purge of 1 GiB: released',
      rounds.map((r) => r.releasedMb),
      'MiB',
    ),
  ];
}

function sizeRows() {
  const addon = fs.readdirSync(root).find((name) => name.endsWith('.node'));
  const kib = (file) => [fs.statSync(file).size / 1024];
  return [
    row('the addon', kib(path.join(root, addon)), 'KiB', atMost(1024)),
    row('libjemalloc.so.2', kib(LIBRARY), 'KiB'),
  ];
}

async function main() {
  report('read', [
    ...(await readingRows(buildFloors())),
    ...(await requireRows()),
    ...(await purgeRows()),
    ...sizeRows(),
  ]);
}

main();
