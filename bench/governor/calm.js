'use strict';
// What a governor costs a process that is at rest.

const fs = require('node:fs');
const path = require('node:path');
const { setTimeout: sleep } = require('node:timers/promises');

const { GOVERNED, UNGOVERNED, contenders } = require('../contenders.js');
const { end, newGroup, portOf, start } = require('../process.js');
const { median } = require('../statistics.js');
const { SERVICE } = require('./run.js');

const PAIRS = 5;
const IDLE_MS = 10_000;
/** After the start V8 compiles, and collects now and then for as long, whoever governs. */
const SETTLE_MS = 30_000;
/** With a limit the governor looks at more, and more often. */
const MEMORY = 512 * 2 ** 20;
const ROOT = path.join(__dirname, '..', '..');

const wordsOf = (wanted) => contenders(wanted)[0].words;

/** Nanoseconds on a CPU, of all threads: the kernel's sched-stats.rst. */
function cpuOf({ child }) {
  const tasks = `/proc/${child.pid}/task`;
  const of = (task) => Number(fs.readFileSync(`${tasks}/${task}/schedstat`, 'utf8').split(' ')[0]);
  return fs.readdirSync(tasks).reduce((sum, task) => sum + of(task), 0);
}

function anonOf({ child }) {
  const rollup = fs.readFileSync(`/proc/${child.pid}/smaps_rollup`, 'utf8');
  return Number(/^Pss_Anon:\s+(\d+) kB$/m.exec(rollup)[1]);
}

/** Starts pairs of governed and ungoverned processes and compares what `measure` finds in each. */
async function compare(commandOf, measure) {
  const started = [];
  try {
    for (let pair = 0; pair < PAIRS; pair++) {
      for (const governed of [false, true]) {
        const group = newGroup({ memory: MEMORY });
        const one = start(commandOf(governed), group);
        started.push({ ...one, group, governed });
        if ((await portOf(one)) === null) throw new Error((await one.exited).said.trim());
      }
    }
    await sleep(SETTLE_MS);
    const figures = await measure(started);
    const of = (wanted) => median(figures.filter((_, i) => started[i].governed === wanted));
    return { governed: of(true), ungoverned: of(false), added: of(true) - of(false) };
  } finally {
    await Promise.all(started.map(end));
    for (const { group } of started) group.remove();
  }
}

const cpu = () =>
  compare(
    (governed) => [...wordsOf(governed ? GOVERNED : UNGOVERNED), process.execPath, SERVICE],
    async (started) => {
      const before = started.map(cpuOf);
      await sleep(IDLE_MS);
      return started.map((one, i) => (cpuOf(one) - before[i]) / 1e6 / IDLE_MS);
    },
  );

/** The same program, that has heapgap loaded, and calls govern() or does not. Prints as the service does. */
const PROGRAM = `
  const heapgap = require(${JSON.stringify(ROOT)});
  if (process.argv[1] === 'true') heapgap.govern();
  gc();
  setInterval(() => {}, 2 ** 30);
  console.log(1);
`;

const anon = () =>
  compare(
    (governed) => [
      ...wordsOf(UNGOVERNED),
      ...[process.execPath, '--expose-gc', '-e', PROGRAM, String(governed)],
    ],
    async (started) => started.map(anonOf),
  );

/** `cpuShare` of a core and `anonKb`, each governed, ungoverned and added: medians of the pairs. */
async function measureCalm() {
  return { pairs: PAIRS, idleSeconds: IDLE_MS / 1000, cpuShare: await cpu(), anonKb: await anon() };
}

module.exports = { measureCalm };
