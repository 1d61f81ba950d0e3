'use strict';
// Allocates native memory and ends, each as it is told.

const { fork } = require('node:child_process');
const fs = require('node:fs');
const { Worker } = require('node:worker_threads');
const zlib = require('node:zlib');

// A collection takes what only this module's own variables refer to.
globalThis.kept = [];

/** 20 MB. */
function keepBuffers() {
  for (let i = 0; i < 400; i++) globalThis.kept.push(Buffer.allocUnsafeSlow(50_000));
}

function dropBuffers() {
  for (let i = 0; i < 400; i++) Buffer.allocUnsafeSlow(50_000);
}

/** Each has written, so that zlib has its memory. */
function dropContexts() {
  for (let i = 0; i < 50; i++) zlib.createDeflateRaw().write('x');
}

const ENDS = {
  itself: () => {},
  exit: () => process.exit(),
  listener: () => {
    process.on('exit', () => process.exit(0));
    process.exit();
  },
  frees: () => process.on('exit', () => globalThis.kept.splice(0)),
  fails: () => process.exit(3),
  throws: () => {
    throw new Error('as it is told');
  },
  early: () => {
    process.emit('exit', 0);
    WORK.keepBuffers();
  },
  beforeExit: () => process.on('beforeExit', () => fs.writeSync(1, 'before')),
  throwsAtExit: () =>
    process.on('exit', () => {
      throw new Error('as it is told');
    }),
  nobody: () => process.setuid(65_534),
  killed: () => process.kill(process.pid, 'SIGKILL'),
  forks: () => fork(__filename, ['itself', 'keepBuffers']),
  forksKilled: () => fork(__filename, ['killed', 'keepBuffers']),
  worker: () => new Worker(__filename, { argv: ['itself', 'keepBuffers'] }),
};

const WORK = { keepBuffers, dropBuffers, dropContexts };
const [end, ...work] = process.argv.slice(2);
for (const name of work) WORK[name]();
ENDS[end]();
