'use strict';
// Prints what this process is and has, and who serves malloc in it.

const fs = require('node:fs');
const { allocator } = require('../../..');

const signals = () =>
  fs
    .readFileSync('/proc/self/status', 'utf8')
    .split('\n')
    .filter((line) => /^Sig(Blk|Ign|Cgt)/.test(line));

/** What descriptors lead to; of what every start makes anew, the kind alone. */
function descriptors() {
  const target = (fd) => {
    try {
      return fs.readlinkSync(`/proc/self/fd/${fd}`).replace(/^(\w+):\[\d+\]$/, '$1');
    } catch {
      return 'closed';
    }
  };
  return fs.readdirSync('/proc/self/fd').map((fd) => [fd, target(fd)]);
}

const { name, library } = allocator();
process.stdout.write(
  `${JSON.stringify({
    name,
    library,
    pid: process.pid,
    argv: process.argv,
    argv0: process.argv0,
    execArgv: process.execArgv,
    execPath: process.execPath,
    cmdline: fs.readFileSync('/proc/self/cmdline', 'latin1').split('\0'),
    comm: fs.readFileSync('/proc/self/comm', 'utf8').trim(),
    title: process.title,
    cwd: process.cwd(),
    umask: process.umask(),
    env: process.env,
    terminal: [process.stdin.isTTY, process.stdout.isTTY, process.stderr.isTTY],
    signals: signals(),
    descriptors: descriptors(),
  })}\n`,
);
