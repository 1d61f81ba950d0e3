'use strict';
// What it costs at start to get onto jemalloc: whole processes, one after the other, in turns.

const { spawnSync } = require('node:child_process');
const path = require('node:path');

const { atMost, progress, report, row } = require('./report.js');

const ROUNDS = 41;
const root = path.join(__dirname, '..');
const script = path.join(__dirname, 'children', 'empty.mjs');
const preload = path.join(root, 'lib', 'preload.js');
const cli = path.join(root, 'bin', 'heapgap.js');

const STARTS = {
  'a bare start of Node.js': [script],
  'node -r heapgap/preload': ['-r', preload, script],
  "import 'heapgap/preload'": [path.join(__dirname, 'children', 'preloaded.mjs')],
  'heapgap run -- node': [cli, 'run', '--', process.execPath, script],
};

function environment() {
  const tuned = /^(LD_PRELOAD|MALLOC_CONF|NODE_OPTIONS|HEAPGAP_.*)$/;
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !tuned.test(name)));
}

function millis(args) {
  const started = process.hrtime.bigint();
  const { status, stderr } = spawnSync(process.execPath, args, { env: environment() });
  const elapsed = Number(process.hrtime.bigint() - started) / 1e6;
  if (status !== 0) throw new Error(`node ${args.join(' ')} failed: ${stderr}`);
  return elapsed;
}

const times = Object.fromEntries(Object.keys(STARTS).map((name) => [name, []]));
for (let round = 0; round < ROUNDS; round += 1) {
  if (round % 10 === 0) progress(`round ${round + 1} of ${ROUNDS} …`);
  for (const [name, args] of Object.entries(STARTS)) times[name].push(millis(args));
}

const [bare, ...others] = Object.keys(STARTS);
const added = (name) =>
  times[name].map((time, round) => (time - times[bare][round]) / times[bare][round]);
report('start', [
  ...Object.keys(STARTS).map((name) => row(name, times[name], 'ms')),
  ...others.map((name) => row(`${name}: added, in bare starts`, added(name), '×', atMost(1.3))),
]);
