'use strict';
// What benchmarks run on.

const os = require('node:os');

const machine = () => ({
  cpu: os.cpus()[0].model,
  cpus: os.availableParallelism(),
  memoryMb: Math.round(os.totalmem() / 2 ** 20),
  // Its version, without what a distribution or a host adds.
  kernel: `${os.type()} ${/^[\d.]*\d/.exec(os.release())?.[0] ?? os.release()}`,
  node: process.version,
});

module.exports = { machine };
