'use strict';
// Which memory limits a service of Buffers and gzip survives, by allocator, and what surviving costs. Each run is a
// process of its own in a memory cgroup of its own, with wrk outside of it. Writes the tables and the plot of
// docs/governor.md and docs/governor.json; with --quick or any other option but --resume, it prints only
// unless --write is there too. Runs are kept one by one in bench/results/governor.json, from where --resume goes on.

const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { parseArgs } = require('node:util');

const { GOVERNED, UNGOVERNED, contenders } = require('./contenders.js');
const { runAll, runCalm } = require('./governor/plan.js');
const { plot } = require('./governor/plot.js');
const { BURST, CONNECTIONS, dryStart } = require('./governor/run.js');
const { judge, markdown, summarizeAll } = require('./governor/summary.js');
const { progress, writeResults } = require('./documents.js');
const { machine } = require('./machine.js');
const { cleanUp } = require('./process.js');
const { openStore } = require('./store.js');

const DOCS = path.join(__dirname, '..', 'docs');
const STORE = path.join(__dirname, 'results', 'governor.json');
/** Bursts: two, one of each kind, to warm up. */
const WARM_UP = 2;

const FULL = { limits: '300,270,240,220,200,185,170', rounds: '10', bursts: '4' };
const QUICK = { limits: '300,240,200', rounds: '1', bursts: '2' };

/** Options with which the run is as whole as without any. */
const FREE_TO_USE = ['resume', 'write'];

const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    resume: { type: 'boolean', default: false },
    limits: { type: 'string' },
    rounds: { type: 'string' },
    only: { type: 'string' },
    bursts: { type: 'string' },
    write: { type: 'boolean', default: false },
  },
});

/** A number above zero, as an option gives it. */
function positive(name, text) {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new Error(`--${name} ${text}: no whole number`);
  return value;
}

function planOf() {
  const chosen = { ...(options.quick ? QUICK : FULL), ...options };
  const limits = chosen.limits.split(',').map((limit) => positive('limits', limit));
  const rounds = positive('rounds', chosen.rounds);
  return {
    limits: limits.sort((a, b) => b - a),
    rounds,
    freeRounds: Math.min(rounds, 5),
    bursts: [WARM_UP, positive('bursts', chosen.bursts)],
  };
}

const CONTENDERS = contenders(
  ...['glibc', 'arena-max-2', 'article', 'decay-0', UNGOVERNED, GOVERNED],
);

/** The contenders that are asked for and start here; a line for each that does not. */
async function contendersHere() {
  const asked = options.only?.split(',');
  const unknown = asked?.find((name) => CONTENDERS.every((one) => one.name !== name));
  if (unknown) throw new Error(`there is no contender ${unknown}`);
  const here = [];
  const leftOut = [];
  for (const contender of CONTENDERS.filter(({ name }) => asked?.includes(name) ?? true)) {
    const why = await dryStart(contender);
    if (why === null) here.push(contender);
    else leftOut.push(`Left out: ${contender.name}: its command ${why.split('\n')[0]}`);
  }
  return { here, leftOut };
}

function describe({ bursts, rounds }) {
  const [warmUp, measured] = bursts;
  const { cpu, cpus, kernel, node } = machine();
  return (
    `${cpu}, ${cpus} CPUs; ${kernel}; Node.js ${node}; ${CONNECTIONS} connections, ${warmUp} bursts of ${BURST} requests to warm up and ${measured} that are measured; at most ${rounds} runs at ` +
    'each limit. Median (least–most).'
  );
}

function publish(text, summary, how, targets) {
  fs.writeFileSync(path.join(DOCS, 'governor-survival.svg'), plot(summary));
  writeResults({
    page: path.join(DOCS, 'governor.md'),
    script: 'bench:governor',
    text,
    file: path.join(DOCS, 'governor.json'),
    results: { machine: how, ...summary, targets },
  });
}

async function main() {
  if (spawnSync('wrk', ['--version']).error) throw new Error('wrk is not installed');
  const settings = planOf();
  const { here, leftOut } = await contendersHere();
  for (const text of leftOut) progress(`${text}\n`);
  const plan = { ...settings, contenders: here };
  const store = openStore(options.quick ? null : STORE, settings, {
    resume: options.resume,
    fresh: { runs: {}, calm: null },
  });
  const tell = () => {
    const summary = summarizeAll(store, plan);
    const targets = judge(summary);
    const how = describe(plan);
    const text = [how, ...leftOut, markdown(summary, targets)].join('\n\n');
    console.log(`\n${text}`);
    return { text, summary, how, targets };
  };
  for (const signal of ['SIGINT', 'SIGTERM']) {
    process.once(signal, () => {
      tell();
      cleanUp().finally(() => process.exit(1));
    });
  }
  await runCalm(store, plan, progress);
  await runAll(store, plan, progress);
  const { text, summary, how, targets } = tell();
  const narrows = Object.entries(options).some(
    ([name, value]) => value && !FREE_TO_USE.includes(name),
  );
  if (!narrows || options.write) publish(text, summary, how, targets);
}

main()
  .catch((error) => {
    console.error(`\nbench:governor: ${error.message}`);
    process.exitCode = 1;
  })
  .finally(cleanUp);
