'use strict';
// Runs the programs of __test__/scenarios/ some times under each allocator and says what diagnose() made
// of each cause. Writes docs/scenarios.json and the table of docs/scenarios.md, with --only and --allocator
// their rows of it; with less than the default number of rounds, it prints only.

const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { parseArgs } = require('node:util');

const { LIBRARIES } = require('../__test__/support/allocators.js');
const { createCgroup } = require('../__test__/support/cgroup.js');
const { librariesOf, listScenarios, runScenario } = require('../__test__/support/scenarios.js');
const { line, progress, writeResults } = require('../bench/documents.js');

const ROOT = path.join(__dirname, '..');
const PAGE = path.join(ROOT, 'docs', 'scenarios.md');
const RESULTS = path.join(ROOT, 'docs', 'scenarios.json');
const ROUNDS = 5;

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: String(ROUNDS) },
    only: { type: 'string' },
    allocator: { type: 'string' },
    parallel: { type: 'string', default: String(os.availableParallelism()) },
    json: { type: 'string' },
  },
});

async function once(scenario) {
  const group = scenario.memory ? createCgroup({ memory: scenario.memory }) : undefined;
  try {
    return await runScenario(scenario, group);
  } catch (error) {
    return { problems: [error.message] };
  } finally {
    group?.remove();
  }
}

/** All runs, some at a time: they wait more than they work. Answers `{ scenario, reports }` each. */
async function runAll(scenarios) {
  const results = scenarios.map((scenario) => ({ scenario, reports: [] }));
  const rounds = Array.from({ length: Number(options.rounds) }, () => results);
  const queue = rounds.flat();
  const total = queue.length;
  async function work() {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const { allocator, name, variant } = next.scenario;
      const report = await once(next.scenario);
      next.reports.push(report);
      const outcome = report.problems.length === 0 ? report.verdict : report.problems.join('; ');
      const title = [name, variant, allocator].filter(Boolean).join(', ');
      progress(`${total - queue.length} of ${total}: ${title}: ${outcome}`);
    }
  }
  await Promise.all(Array.from({ length: Number(options.parallel) }, work));
  return results;
}

/** How often each verdict came, `js-heap` or `js-heap 4, healthy 1`. */
function verdictsOf(reports) {
  const counts = new Map();
  for (const { verdict = 'failed' } of reports) counts.set(verdict, (counts.get(verdict) ?? 0) + 1);
  return counts.size === 1
    ? [...counts.keys()][0]
    : [...counts].map(([verdict, count]) => `${verdict} ${count}`).join(', ');
}

const unattributedOf = ({ ledger }) => ledger.parts.unattributed.bytes / ledger.rss;

function summarize({ scenario, reports }) {
  const { allocator, cause, name, variant } = scenario;
  const done = reports.filter(({ ledger }) => ledger !== undefined);
  return {
    name,
    cause,
    variant,
    allocator,
    right: reports.filter(({ expected, verdict }) => expected?.includes(verdict)).length,
    held: reports.filter(({ problems }) => problems.length === 0).length,
    runs: reports.length,
    verdict: verdictsOf(reports),
    unattributed: done.length === 0 ? null : Math.max(...done.map(unattributedOf)),
    problems: [...new Set(reports.flatMap(({ problems }) => problems))],
  };
}

const percent = (share) => (share === null ? '—' : `${(100 * share).toFixed(1)} %`);

function cell(row) {
  if (row === undefined) return '—';
  const { held, problems, runs, unattributed, verdict } = row;
  const failed = held === runs ? '' : ` ✗ ${runs - held} of ${runs}: ${problems.join('; ')}`;
  return `\`${verdict}\` ${percent(unattributed)}${failed}`
    .replaceAll('|', '\\|')
    .replaceAll('\n', ' ');
}

function markdown(rows) {
  const allocators = Object.keys(LIBRARIES).filter((name) =>
    rows.some(({ allocator }) => allocator === name),
  );
  const byCause = new Map();
  for (const row of rows) {
    const title = row.variant === '' ? row.cause : `${row.cause} (${row.variant})`;
    byCause.set(title, { ...byCause.get(title), [row.allocator]: row });
  }
  const right = rows.reduce((sum, row) => sum + row.right, 0);
  const runs = rows.reduce((sum, row) => sum + row.runs, 0);
  return [
    line(['cause', ...allocators]),
    line(['---', ...allocators.map(() => '---')]),
    ...[...byCause].map(([title, row]) =>
      line([title, ...allocators.map((name) => cell(row[name]))]),
    ),
    '',
    `The right verdict in ${right} of ${runs} runs (${percent(right / runs)}).`,
  ].join('\n');
}

const keyOf = ({ name, variant, allocator }) => JSON.stringify([name, variant, allocator]);

/** The rows of scenarios that there are, in their order: these, and those of former runs. */
function withFormer(rows) {
  const former = fs.existsSync(RESULTS) ? JSON.parse(fs.readFileSync(RESULTS, 'utf8')).rows : [];
  const known = new Map([...former, ...rows].map((row) => [keyOf(row), row]));
  return listScenarios().flatMap((scenario) => known.get(keyOf(scenario)) ?? []);
}

async function main() {
  const wanted = listScenarios().filter(
    ({ allocator, name }) =>
      (options.only === undefined || options.only.split(',').includes(name)) &&
      (options.allocator === undefined || options.allocator.split(',').includes(allocator)),
  );
  if (wanted.length === 0) throw new Error(`there is no scenario ${options.only}`);
  const installed = (name) => LIBRARIES[name] !== undefined;
  const missing = wanted.filter((scenario) => !librariesOf(scenario).every(installed));
  for (const { allocator } of missing) progress(`left out: ${allocator} is not installed`);
  const results = await runAll(wanted.filter((scenario) => !missing.includes(scenario)));
  if (options.json) fs.writeFileSync(options.json, JSON.stringify(results, null, 2));
  const rows = results.map(summarize);
  const machine =
    `${os.cpus()[0].model}, ${os.availableParallelism()} CPUs; ${os.type()} ${os.release()}; ` +
    `Node.js ${process.version}; ${options.rounds} runs each; of them the largest unattributed part of RSS.`;
  console.log(`\n${machine}\n\n${markdown(rows)}`);
  process.exitCode = rows.every(({ held, runs }) => held === runs) ? 0 : 1;
  if (Number(options.rounds) < ROUNDS) return;
  const all = withFormer(rows);
  writeResults({
    page: PAGE,
    script: 'scenarios',
    text: `${machine}\n\n${markdown(all)}`,
    file: RESULTS,
    results: { machine, rows: all },
  });
}

main().catch((error) => {
  console.error(`scenarios: ${error.message}`);
  process.exitCode = 1;
});
