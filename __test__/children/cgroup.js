'use strict';
// Prints its cgroup's figures, then starts a process that the OOM killer ends, and prints them again.

const { spawnSync } = require('node:child_process');
const heapgap = require('../..');

const MIB = 1024 * 1024;

const held = Buffer.allocUnsafeSlow(64 * MIB).fill(1);
const before = heapgap.snapshot();
// The kernel ends the process that offers itself, not this one.
const hog = `
  require('node:fs').writeFileSync('/proc/self/oom_score_adj', '1000');
  const all = [];
  for (let i = 0; i < 4096; i++) all.push(Buffer.allocUnsafeSlow(${MIB}).fill(1));
`;
const { signal } = spawnSync(process.execPath, ['-e', hog]);
const after = heapgap.snapshot();
process.stdout.write(JSON.stringify({ before, after, signal, held: held.length }));
