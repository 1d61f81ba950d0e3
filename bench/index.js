'use strict';
// The article's table: services under each allocator and under heapgap, in groups of 512 MB and in smaller ones, and
// what heapgap itself costs. Writes docs/benchmarks.json and all that is made of it (page/); with any option that
// leaves something out it prints only. Keeps each run in bench/results/bench.json, from where --resume goes on.
// With --check it says whether the documents are those that docs/benchmarks.json makes.

const { execFileSync } = require('node:child_process');
const path = require('node:path');
const { parseArgs } = require('node:util');

const { contenders } = require('./contenders.js');
const { measureCost } = require('./cost/index.js');
const { progress } = require('./documents.js');
const { machine } = require('./machine.js');
const { PAGE, check, render, write } = require('./page/index.js');
const { cleanUp, environment } = require('./process.js');
const { makeInputs } = require('./services/inputs.js');
const { openStore } = require('./store.js');
const {
  LIMIT_MB,
  runAll,
  survivalRuns,
  survivalsOf,
  tableRuns,
  workloadsOf,
} = require('./table/plan.js');
const { SETTINGS } = require('./table/settings.js');
const { WORKLOADS } = require('./table/workloads.js');

const ROOT = path.join(__dirname, '..');
const STORE = path.join(__dirname, 'results', 'bench.json');
const SECTIONS = ['table', 'survival', 'cost'];

const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    smoke: { type: 'boolean', default: false },
    resume: { type: 'boolean', default: false },
    check: { type: 'boolean', default: false },
    sections: { type: 'string' },
    workloads: { type: 'string' },
    contenders: { type: 'string' },
    rounds: { type: 'string' },
    out: { type: 'string' },
  },
});

/** The words of an option, each of which must be one of `known`; all of these without the option. */
function chosen(name, known) {
  const words = options[name]?.split(',') ?? known;
  const unknown = words.find((word) => !known.includes(word));
  if (unknown !== undefined) {
    throw new Error(`--${name}: expected some of ${known.join(', ')}, got ${unknown}`);
  }
  return words;
}

function roundsOf({ rounds }) {
  if (options.rounds === undefined) return rounds;
  const value = Number(options.rounds);
  if (Number.isInteger(value) && value > 0) return value;
  throw new Error(`--rounds: expected a whole number above 0, got ${options.rounds}`);
}

const modeOf = () => (options.smoke ? 'smoke' : options.quick ? 'quick' : 'full');

function planOf() {
  const mode = modeOf();
  const settings = SETTINGS[mode];
  return {
    mode,
    sections: chosen('sections', SECTIONS),
    workloads: chosen(
      'workloads',
      WORKLOADS.map(({ name }) => name),
    ),
    settings: {
      ...settings,
      contenders: chosen('contenders', settings.contenders),
      rounds: roundsOf(settings),
    },
  };
}

/** Whether nothing was left out. */
const isWhole = ({ mode }) =>
  mode === 'full' &&
  ['sections', 'workloads', 'contenders', 'rounds'].every((name) => options[name] === undefined);

const ALLOCATOR = `
  const { name, version } = require(${JSON.stringify(ROOT)}).allocator();
  console.log(JSON.stringify({ name, version }));
`;

/** The allocator that a contender really has: one that is not installed would be glibc under another name. */
function allocatorOf({ name: contender, allocator, words }) {
  const [command, ...rest] = [...words, process.execPath, '--eval', ALLOCATOR];
  const found = JSON.parse(execFileSync(command, rest, { env: environment(), encoding: 'utf8' }));
  if (found.name === allocator) return found;
  throw new Error(
    `${contender}: expected the allocator ${allocator}, got ${found.name}: is it installed?`,
  );
}

function describeMachine(names) {
  return {
    ...machine(),
    libc: `glibc ${process.report.getReport().header.glibcVersionRuntime}`,
    allocators: Object.fromEntries(contenders(...names).map((one) => [one.name, allocatorOf(one)])),
  };
}

function resultsOf(store, { settings, sections }, workloads, machine) {
  return {
    date: new Date().toISOString(),
    command: ['npm run bench', ...(process.argv[2] ? ['--'] : []), ...process.argv.slice(2)].join(
      ' ',
    ),
    minutes: Math.round(store.minutes),
    machine,
    rounds: settings.rounds,
    limitMb: LIMIT_MB,
    contenders: contenders(...settings.contenders).map(({ name, title }) => ({ name, title })),
    workloads: sections.includes('table') ? workloadsOf(store, workloads, settings) : [],
    survival: sections.includes('survival') ? survivalsOf(store, workloads, settings) : [],
    cost: store.cost,
  };
}

/** Measures what has not been measured; its time is added to that of the runs before. */
async function measure(store, { mode, settings, sections }, workloads) {
  const before = store.minutes;
  const started = Date.now();
  const save = store.save;
  store.save = () => {
    store.minutes = before + (Date.now() - started) / 60_000;
    save();
  };
  if (sections.includes('cost') && store.cost === null) {
    store.cost = await measureCost({ quick: mode !== 'full', say: progress });
    store.save();
  }
  const planned = [
    ...(sections.includes('table') ? tableRuns(workloads, settings) : []),
    ...(sections.includes('survival') ? survivalRuns(workloads, settings) : []),
  ];
  await runAll(store, planned, progress);
}

async function bench() {
  const plan = planOf();
  const { settings, sections } = plan;
  const onWhat = describeMachine(settings.contenders);
  const file = isWhole(plan) ? STORE : null;
  if (options.resume && file === null)
    throw new Error('--resume: only the whole is kept to go on with');
  const measured = {
    settings,
    workloads: WORKLOADS,
    contenders: contenders(...settings.contenders),
  };
  const fresh = { minutes: 0, runs: {}, cost: null };
  const store = openStore(
    file,
    { ...measured, machine: onWhat },
    { resume: options.resume, fresh },
  );
  const inputs = sections.includes('cost') && sections.length === 1 ? null : await makeInputs();
  try {
    const workloads = WORKLOADS.filter(({ name }) => plan.workloads.includes(name)).map((one) => ({
      ...one,
      words: inputs?.words[one.name],
    }));
    await measure(store, plan, workloads);
    const results = resultsOf(store, plan, workloads, onWhat);
    console.log(`\n${render(results)[PAGE]}`);
    const out = options.out ?? (isWhole(plan) ? ROOT : undefined);
    if (out !== undefined) write(results, out);
  } finally {
    await inputs?.remove();
  }
}

function reportCheck() {
  const wrong = check(options.out ?? ROOT);
  if (wrong.length === 0)
    return console.log('The documents are those that docs/benchmarks.json makes.');
  process.exitCode = 1;
  console.error(
    `Not what docs/benchmarks.json makes; npm run bench writes them:\n${wrong.join('\n')}`,
  );
}

async function main() {
  try {
    if (options.check) reportCheck();
    else await bench();
  } catch (error) {
    console.error(`\nbench: ${error.message}`);
    process.exitCode = 1;
  } finally {
    await cleanUp();
  }
}

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => cleanUp().finally(() => process.exit(1)));
}
main();
