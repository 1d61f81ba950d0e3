'use strict';
// What inspect() costs a process of 1 GiB and 5,000 mappings, and diagnose() on top of it.

const { spawnSync } = require('node:child_process');
const path = require('node:path');

const { atMost, progress, report, row } = require('./report.js');

const library = path.join(__dirname, '..', 'preload', 'libjemalloc.so.2');
const script = path.join(__dirname, 'children', 'inspect.js');

function run(preload) {
  const { LD_PRELOAD, MALLOC_CONF, NODE_OPTIONS, ...env } = process.env;
  if (preload) env.LD_PRELOAD = preload;
  const child = spawnSync(process.execPath, ['--expose-gc', script], { env, encoding: 'utf8' });
  if (child.status !== 0) throw new Error(`inspect.js failed:\n${child.stderr}`);
  return JSON.parse(child.stdout);
}

function rowsOf(name, preload) {
  progress(`${name}: growing to 1 GiB and 5,000 mappings, then inspecting …`);
  const rounds = run(preload);
  const per = (of) => rounds.map(of);
  const delay = per((r) => r.delayMs);
  return [
    row(`${name}: inspect(): longest event-loop delay`, delay, 'ms', atMost(2)),
    row(
      `${name}: as long without: longest delay`,
      per((r) => r.idleDelayMs),
      'ms',
    ),
    row(
      `${name}: inspect(): duration`,
      per((r) => r.durationMs),
      'ms',
    ),
    row(
      `${name}: RSS`,
      per((r) => r.rss / 2 ** 20),
      'MiB',
    ),
    row(
      `${name}: mappings`,
      per((r) => r.count),
      '',
    ),
    row(
      `${name}: unattributed`,
      per((r) => 100 * r.unattributed),
      '%',
    ),
  ];
}

report('inspect', [...rowsOf('glibc'), ...rowsOf('jemalloc', library)]);
