'use strict';
// What reading costs, side by side with its floor, in the same process and the same run.
// Prints what it measured; targets are printed beside it, and missing one is no failure.

const { execFileSync, spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');

const { atLeast, atMost, progress, report, row } = require('./report.js');

const root = path.join(__dirname, '..');
const children = path.join(__dirname, 'children');
const library = path.join(root, 'preload', 'libjemalloc.so.2');
const REQUIRE_RUNS = 21;

/** The addon with its floors, beside the one that is measured. */
function buildFloors() {
  const target = path.join(root, 'target', 'bench');
  const cargo = ['build', '--release', '--features', 'bench', '--target-dir', target];
  execFileSync('cargo', cargo, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
  const floors = path.join(target, 'heapgap-bench.node');
  fs.copyFileSync(path.join(target, 'release', 'libheapgap.so'), floors);
  return floors;
}

function run(script, args, { preload, conf } = {}) {
  const env = { ...process.env };
  for (const name of ['LD_PRELOAD', 'MALLOC_CONF', 'NODE_OPTIONS']) delete env[name];
  if (preload) Object.assign(env, { LD_PRELOAD: preload, MALLOC_CONF: conf ?? '' });
  const command = ['--expose-gc', path.join(children, script), ...args];
  const child = spawnSync(process.execPath, command, { env, encoding: 'utf8' });
  if (child.status !== 0) throw new Error(`${script} failed:\n${child.stderr}`);
  return JSON.parse(child.stdout);
}

function readingRows(floors) {
  const configurations = [
    ['jemalloc', { preload: library }],
    ['jemalloc, narenas:2', { preload: library, conf: 'narenas:2' }],
    ['glibc', {}],
  ];
  return configurations.flatMap(([name, options]) => {
    progress(`reading on ${name} …`);
    const rounds = run('read.js', [floors], options);
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
}

function requireRows() {
  progress(`require('heapgap'), ${REQUIRE_RUNS} processes …`);
  const times = Array.from({ length: REQUIRE_RUNS }, () => run('require.js', []));
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

function purgeRows() {
  const rounds = Array.from({ length: 5 }, (_, index) => {
    progress(`purging 1 GiB, round ${index + 1} of 5 …`);
    return run('purge.js', [], { preload: library, conf: 'dirty_decay_ms:-1' });
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
      rounds.map((r) => r.releasedMiB),
      'MiB',
    ),
  ];
}

function sizeRows() {
  const addon = fs.readdirSync(root).find((name) => name.endsWith('.node'));
  const kib = (file) => [fs.statSync(file).size / 1024];
  return [
    row('the addon', kib(path.join(root, addon)), 'KiB', atMost(1024)),
    row('libjemalloc.so.2', kib(library), 'KiB'),
  ];
}

const rows = [...readingRows(buildFloors()), ...requireRows(), ...purgeRows(), ...sizeRows()];
report('read', rows);
