'use strict';
// What each value of MALLOC_CONF does to a service's memory and speed. Each run is a process of its own
// in a memory cgroup of its own. The loads run one after the other; meanwhile those that are done with
// theirs rest, and are read when they have rested. Writes the tables of docs/malloc-conf.md and
// docs/malloc-conf.json; with --quick, one round of less work, printed only.

const { spawn } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { setTimeout: sleep } = require('node:timers/promises');

const { createCgroup, inCgroup } = require('../__test__/support/cgroup.js');
const { fittedMallocConf, mergeMallocConf } = require('../lib/malloc-conf.js');
const { line, progress, writeResults } = require('./documents.js');
const { machine } = require('./machine.js');
const { memoryOf } = require('./process.js');
const { spread } = require('./statistics.js');

const ROOT = path.join(__dirname, '..');
const SERVICE = path.join(__dirname, 'children', 'service.js');
const LIBRARY = path.join(ROOT, 'preload', 'libjemalloc.so.2');
const PAGE = path.join(ROOT, 'docs', 'malloc-conf.md');
const RESULTS = path.join(ROOT, 'docs', 'malloc-conf.json');
const THP = '/sys/kernel/mm/transparent_hugepage/enabled';
const MIB = 2 ** 20;

const QUICK = process.argv.includes('--quick');
const ROUNDS = QUICK ? 1 : 3;
const BURSTS = (QUICK ? [400, 600, 300] : [800, 1300, 400, 1300, 600]).join(',');
const REST_MS = 15_000;
/** A service that takes longer hangs. */
const DEADLINE_MS = 180_000;
const MEMORY = 512 * MIB;
/** The quota of every container that has no other. */
const CPUS = 2;

/** What jemalloc takes by itself on a machine of 64 CPUs, whatever the container's quota. */
const HOST_OF_64 = 'narenas:256';
const BASE = 'background_thread:true';
const ARTICLE = 'background_thread:true,metadata_thp:auto';
const GLIBC = null;

const on = (option, values) => values.map((value) => [BASE, `${option}:${value}`].join(','));
const onOneCpu = (conf) => ({ conf, cpu: 1 });
const fitted = (cpus, thp) => fittedMallocConf({ cpus, thp });

/** The tables. A configuration that is in several is run once. */
const TABLES = [
  {
    title: 'narenas, in a container with a quota of one CPU',
    rows: on('narenas', [1, 2, 4, 256]).map(onOneCpu),
  },
  {
    title: 'narenas, in a container with a quota of two CPUs',
    rows: [...on('narenas', [2, 4]), BASE, ...on('narenas', [256])],
  },
  { title: 'dirty_decay_ms', rows: [...on('dirty_decay_ms', [0, 1000, 5000]), BASE] },
  { title: 'muzzy_decay_ms', rows: [BASE, ...on('muzzy_decay_ms', [1000, 10_000])] },
  {
    title: 'background_thread and max_background_threads',
    rows: ['', BASE, ...on('max_background_threads', [1, 2])],
  },
  {
    title: 'metadata_thp, where the kernel’s mode is madvise',
    rows: [BASE, ...on('metadata_thp', ['auto', 'always'])],
    thp: 'madvise',
  },
  {
    title: 'thp, where the kernel’s mode is madvise',
    rows: [BASE, ...on('thp', ['never', 'always'])],
    thp: 'madvise',
  },
  {
    title: 'thp and metadata_thp, where the kernel’s mode is always',
    rows: [BASE, ...on('thp', ['never']), ...on('metadata_thp', ['auto']), fitted(CPUS, 'always')],
    thp: 'always',
  },
  { title: 'cache_oblivious', rows: [BASE, ...on('cache_oblivious', [false])] },
  {
    title: 'The cache of each thread',
    rows: [BASE, ...on('tcache_max', [16_384, 4096, 1024]), ...on('tcache', [false])],
  },
  {
    title: 'Together, in a container with a quota of two CPUs',
    rows: [
      GLIBC,
      '',
      ARTICLE,
      fitted(CPUS),
      mergeMallocConf('dirty_decay_ms:1000', fitted(CPUS)),
      mergeMallocConf('dirty_decay_ms:10000', fitted(CPUS)),
    ],
  },
  {
    title: 'Together, in a container with a quota of one CPU on a host with 64',
    rows: [GLIBC, HOST_OF_64, `${ARTICLE},${HOST_OF_64}`, fitted(1)].map(onOneCpu),
  },
];

const FIGURES = {
  peak: 'peak RSS, MB',
  after: 'RSS after, MB',
  dirty: 'dirty after, MB',
  metadata: 'metadata, MB',
  perSecond: 'work per s',
  cpuSeconds: 'CPU, s',
  p99Ms: 'p99, ms',
};

// The kernel's mode of transparent huge pages

const initialThp = /\[(\w+)\]/.exec(fs.readFileSync(THP, 'utf8'))[1];

function setThp(mode) {
  if (/\[(\w+)\]/.exec(fs.readFileSync(THP, 'utf8'))[1] !== mode) fs.writeFileSync(THP, mode);
}

/** Why the mode cannot be changed here, or null. */
function whyThpIsFixed() {
  try {
    fs.writeFileSync(THP, initialThp);
    return null;
  } catch (error) {
    return error.message;
  }
}

// Runs

const services = new Set();

/** What the services read: the rows of an export. */
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'heapgap-'));
const exported = path.join(folder, 'export.csv');

function writeExport() {
  const row = (_, index) => `${index},${(index * 7919) % 999_983},row ${index} of the export\n`;
  fs.writeFileSync(exported, Array.from({ length: 30_000 }, row).join(''));
}

/** Ends all services, and leaves nothing behind. */
async function cleanUp() {
  setThp(initialThp);
  for (const { child, group } of services) {
    const closed = child.exitCode === null && child.signalCode === null && once(child, 'close');
    child.kill('SIGKILL');
    await closed;
    group.remove();
  }
  services.clear();
  fs.rmSync(folder, { recursive: true, force: true });
}

/** Every configuration that is in a table, once. */
function distinctRuns(whyFixed) {
  const runs = new Map();
  for (const table of TABLES) {
    if (whyFixed !== null && (table.thp ?? initialThp) !== initialThp) {
      progress(`left out: ${table.title}: ${whyFixed}\n`);
      continue;
    }
    table.keys = table.rows.map((row) => {
      const { conf, cpu } = row?.conf === undefined ? { conf: row, cpu: CPUS } : row;
      const run = { conf, cpu, thp: table.thp ?? initialThp, rounds: [] };
      const key = JSON.stringify([conf, cpu, run.thp]);
      if (!runs.has(key)) runs.set(key, run);
      return key;
    });
  }
  return runs;
}

function start({ conf, cpu }) {
  const group = createCgroup({ memory: MEMORY, cpu });
  const env = { ...process.env };
  for (const name of ['LD_PRELOAD', 'MALLOC_CONF', 'NODE_OPTIONS']) delete env[name];
  const words = ['env', `LD_PRELOAD=${LIBRARY}`, `MALLOC_CONF=${conf}`];
  const node = [process.execPath, '--expose-gc', SERVICE, BURSTS, exported];
  // The shell that enters the group does so on the libc's own allocator.
  const command = inCgroup(group, conf === GLIBC ? node : [...words, ...node]);
  const child = spawn('/bin/sh', command, {
    env,
    stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
    timeout: DEADLINE_MS,
    killSignal: 'SIGKILL',
  });
  const said = child.stderr.setEncoding('utf8').toArray();
  return { child, group, said };
}

/** The next message of the service; a service that ends instead ends the benchmark. */
async function message({ child, said }) {
  const ended = once(child, 'exit').then(async ([code, signal]) => {
    throw new Error(`the service ended with ${signal ?? code}: ${(await said).join('')}`);
  });
  ended.catch(() => {});
  const [value] = await Promise.race([once(child, 'message'), ended]);
  return value;
}

/** Puts the load on. Answers `rested`, which adds the figures to `run` when the service has rested. */
async function measure(run) {
  const service = start(run);
  services.add(service);
  const loaded = await message(service);
  const { peakMb: peak } = memoryOf(service);
  const finish = async () => {
    await sleep(REST_MS);
    const { rssMb: after } = memoryOf(service);
    service.child.send('report');
    const { stats } = await message(service);
    await once(service.child, 'close');
    service.group.remove();
    services.delete(service);
    const said = (await service.said).join('');
    if (said !== '') throw new Error(`${run.conf}: ${said}`);
    run.rounds.push({ ...loaded, peak, after, dirty: stats.dirty, metadata: stats.metadata });
  };
  const rested = finish();
  // Awaited later, together with the others'.
  rested.catch(() => {});
  return { rested };
}

const nameOf = (conf) => (conf === GLIBC ? 'glibc' : conf || 'jemalloc’s own');

/** Rounds of all runs in turn, so that whatever else the machine does falls on all alike. */
async function measureAll(runs) {
  const all = [...runs.values()];
  // The mode of huge pages is the machine's: those who rest must have rested before it changes.
  const modes = [...new Set(all.map(({ thp }) => thp))];
  let done = 0;
  for (let round = 1; round <= ROUNDS; round++) {
    for (const mode of modes) {
      setThp(mode);
      const resting = [];
      for (const run of all.filter(({ thp }) => thp === mode)) {
        done += 1;
        const where = `${run.cpu} CPU, THP ${mode}`;
        progress(`run ${done} of ${all.length * ROUNDS}, ${where}: ${nameOf(run.conf)}`);
        const { rested } = await measure(run);
        resting.push(rested);
      }
      progress(`round ${round} of ${ROUNDS}: waiting for those who rest`);
      await Promise.all(resting);
    }
  }
}

// The tables

const BYTES = ['dirty', 'metadata'];

/** Median, least and most of the rounds, in the unit that is shown; null where there is no figure. */
function summary(run, figure) {
  const values = run.rounds.map((round) => round[figure]);
  if (values.includes(null)) return null;
  const scale = BYTES.includes(figure) ? MIB : 1;
  return spread(values.map((value) => value / scale));
}

function results(runs) {
  return TABLES.filter(({ keys }) => keys).map(({ title, keys }) => ({
    title,
    rows: keys.map((key) => {
      const run = runs.get(key);
      const figures = Object.keys(FIGURES).map((figure) => [figure, summary(run, figure)]);
      return { conf: nameOf(run.conf), ...Object.fromEntries(figures) };
    }),
  }));
}

const number = (value) => (value >= 20 ? value.toFixed(0) : value.toFixed(1));

function cell(figure) {
  if (figure === null) return '—';
  const { median, min, max } = figure;
  return `${number(median)} (${number(min)}–${number(max)})`;
}

function markdown({ title, rows }) {
  const heads = Object.values(FIGURES);
  return [
    `### ${title}`,
    '',
    line(['MALLOC_CONF', ...heads]),
    line(['---', ...heads.map(() => '---:')]),
    ...rows.map((row) =>
      line([
        row.conf.includes(':') ? `\`${row.conf}\`` : row.conf,
        ...Object.keys(FIGURES).map((figure) => cell(row[figure])),
      ]),
    ),
  ].join('\n');
}

function describeMachine() {
  const { cpu, cpus, kernel, node } = machine();
  return {
    cpu: `${cpu}, ${cpus} CPUs`,
    kernel,
    node,
    rounds: ROUNDS,
    memoryLimitMb: MEMORY / MIB,
    restSeconds: REST_MS / 1000,
  };
}

async function main() {
  writeExport();
  const runs = distinctRuns(whyThpIsFixed());
  await measureAll(runs);
  const machine = describeMachine();
  const tables = results(runs);
  const { cpu, kernel, node, rounds, memoryLimitMb, restSeconds } = machine;
  const how =
    `${cpu}; ${kernel}; Node.js ${node}; a memory limit of ${memoryLimitMb} MB. Of ${rounds} rounds: ` +
    `median (least–most). “After” is ${restSeconds} s after the load.`;
  const text = [how, ...tables.map(markdown)].join('\n\n');
  if (QUICK) return console.log(`\n${text}`);
  writeResults({
    page: PAGE,
    script: 'bench:malloc-conf',
    text,
    file: RESULTS,
    results: { machine, tables },
  });
}

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => cleanUp().finally(() => process.exit(1)));
}
main()
  .catch((error) => {
    console.error(`\nbench:malloc-conf: ${error.message}`);
    process.exitCode = 1;
  })
  .finally(cleanUp);
