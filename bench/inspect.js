'use strict';
// What inspect() costs a process of 1 GiB and 5,000 mappings, and diagnose() on top of it.

const { onJemalloc, runChild } = require('./child.js');
const { atMost, progress, report, row } = require('./report.js');

async function rowsOf(name, words) {
  progress(`${name}: growing to 1 GiB and 5,000 mappings, then inspecting …`);
  const rounds = await runChild('inspect.js', [], { words });
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

async function main() {
  report('inspect', [...(await rowsOf('glibc', [])), ...(await rowsOf('jemalloc', onJemalloc()))]);
}

main();
