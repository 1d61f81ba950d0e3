'use strict';
// What the runs come to: figures, tables, and whether the targets are met.

const { GOVERNED } = require('../contenders.js');
const { cell, number, table } = require('../documents.js');
const { wasKilled } = require('../outcomes.js');
const { median, spread } = require('../statistics.js');
const { isDead, referenceAmong, referencesOf, runsOf } = require('./plan.js');

const TARGETS = { throughput: 0.97, p99: 1.05, cpuShare: 0.001, anonKb: 300 };
const FIGURES = ['peakMb', 'perSecond', 'p50Ms', 'p99Ms', 'cpuMs'];

const survivors = (runs) => runs.filter((run) => !wasKilled(run));

/** Median, least and most; null where no run got that far. */
const spreadOf = (runs, figure) => spread(survivors(runs).map((run) => run[figure]));

/** The medians of the governor's counters; null where there is none. */
function countersOf(runs) {
  const counted = survivors(runs).flatMap(({ governor }) => governor ?? []);
  if (counted.length === 0) return null;
  const names = Object.keys(counted[0]).filter((name) => typeof counted[0][name] === 'number');
  return Object.fromEntries(names.map((name) => [name, median(counted.map((one) => one[name]))]));
}

function summarize(runs) {
  const figures = FIGURES.map((figure) => [figure, spreadOf(runs, figure)]);
  const failed = runs.filter(({ outcome }) => !['survived', 'killed'].includes(outcome));
  return {
    runs: runs.length,
    kills: runs.filter(wasKilled).length,
    errors: survivors(runs).reduce((sum, { errors }) => sum + errors, 0),
    failures: [...new Set(failed.map(({ outcome, said }) => `${outcome} ${said}`.trim()))],
    ...Object.fromEntries(figures),
    governor: countersOf(runs),
  };
}

const ratio = (of, to) => (of === null || to === null ? null : of.median / to.median);

/** One contender at one limit; `throughput`, `p99` and `cpu` (per request) are in those of the reference. */
function atLimit(store, name, limit, limits) {
  const runs = runsOf(store, name, limit);
  if (runs.length === 0) return { runs: 0, dead: isDead(store, name, limit, limits) };
  const summary = summarize(runs);
  const reference = summarize(referencesOf(store, limit));
  return {
    ...summary,
    throughput: ratio(summary.perSecond, reference.perSecond),
    p99: ratio(summary.p99Ms, reference.p99Ms),
    cpu: ratio(summary.cpuMs, reference.cpuMs),
  };
}

function summarizeAll(store, { contenders, limits }) {
  return {
    free: contenders.map(({ name, title }) => ({
      name,
      title,
      ...summarize(runsOf(store, name, null)),
    })),
    limits: limits.map((limit) => ({
      limit,
      reference: summarize(referencesOf(store, limit)),
      contenders: Object.fromEntries(
        contenders.map(({ name }) => [name, atLimit(store, name, limit, limits)]),
      ),
    })),
    reference: referenceAmong(contenders).title,
    calm: store.calm,
  };
}

// The targets

const ran = (contender) => contender !== undefined && contender.runs > 0;
const survived = (contender) => ran(contender) && contender.kills === 0;

/** The smallest limit down to which every run survived, in MB; null where some died at the largest. */
function lowestSurvived({ limits }, name) {
  let lowest = null;
  for (const { limit, contenders } of limits) {
    if (!survived(contenders[name])) return lowest;
    lowest = limit;
  }
  return lowest;
}

/** The largest of the figures, and where it was. */
const worst = (rows, of) =>
  rows.reduce((found, row) => (found === null || of(row) > of(found) ? row : found), null);

const percent = (share, digits = 0) => `${(100 * share).toFixed(digits)} %`;
const megabytes = (limit) => (limit === null ? 'none' : `${limit} MB`);

function survivalTargets(summary) {
  const names = summary.free.map(({ name }) => name);
  const others = names.filter((name) => name !== GOVERNED);
  const own = lowestSurvived(summary, GOVERNED);
  const best = others
    .map((name) => lowestSurvived(summary, name))
    .filter((limit) => limit !== null)
    .sort((a, b) => a - b)[0];
  const lost = summary.limits.filter(
    ({ contenders }) =>
      others.some((name) => survived(contenders[name])) && !survived(contenders[GOVERNED]),
  );
  const where = lost.map(({ limit, contenders }) => {
    const { kills = 0, runs } = contenders[GOVERNED];
    return runs === 0 ? `not run at ${limit} MB` : `${kills} of ${runs} killed at ${limit} MB`;
  });
  return [
    {
      target: 'the lowest limit without a kill of all',
      measured: `${megabytes(own)}, of the others ${megabytes(best ?? null)}`,
      met: own !== null && (best === undefined || own <= best),
    },
    {
      target: 'no kill wherever any other has none',
      measured: lost.length === 0 ? 'none' : where.join(', '),
      met: lost.length === 0,
    },
  ];
}

function speedTargets(summary) {
  const rows = summary.limits
    .filter(({ contenders }) => survived(contenders[GOVERNED]))
    .map(({ limit, contenders }) => ({ limit, ...contenders[GOVERNED] }))
    .filter(({ throughput }) => throughput !== null);
  const slowest = worst(rows, ({ throughput }) => -throughput);
  const latest = worst(rows, ({ p99 }) => p99);
  const told = (row, value) =>
    row === null ? 'not measured' : `at worst ${value.toFixed(2)}, at ${row.limit} MB`;
  return [
    {
      target: `throughput ≥ ${TARGETS.throughput} of the same without a limit`,
      measured: told(slowest, slowest?.throughput),
      met: slowest !== null && slowest.throughput >= TARGETS.throughput,
    },
    {
      target: `p99 ≤ ${TARGETS.p99} of the same without a limit`,
      measured: told(latest, latest?.p99),
      met: latest !== null && latest.p99 <= TARGETS.p99,
    },
  ];
}

function calmTargets({ calm }) {
  const told = (value) => (calm === null ? 'not measured' : value());
  return [
    {
      target: `at rest ≤ ${percent(TARGETS.cpuShare, 1)} of a core more`,
      measured: told(() => percent(calm.cpuShare.added, 3)),
      met: calm !== null && calm.cpuShare.added <= TARGETS.cpuShare,
    },
    {
      target: `at rest ≤ ${TARGETS.anonKb} KB of anonymous memory more`,
      measured: told(() => `${calm.anonKb.added.toFixed(0)} KB`),
      met: calm !== null && calm.anonKb.added <= TARGETS.anonKb,
    },
  ];
}

/** What was aimed at, what was measured, and whether that is it; none where nothing is governed. */
function judge(summary) {
  if (!summary.free.some(({ name }) => name === GOVERNED)) return [];
  return [...survivalTargets(summary), ...speedTargets(summary), ...calmTargets(summary)];
}

// The tables

const HEADS = ['peak, MB', 'requests per s', 'p50, ms', 'p99, ms', 'CPU per request, ms'];

function freeTable({ free }) {
  const rows = free.map((one) => [
    one.title,
    String(one.runs),
    ...FIGURES.map((figure) => cell(one[figure])),
    String(one.errors),
  ]);
  return table(['', 'runs', ...HEADS, 'errors'], rows);
}

/** One row for each limit, one column for each contender. */
function limitTable({ free, limits }, show) {
  const rows = limits.map(({ limit, contenders }) => [
    `${limit} MB`,
    ...free.map(({ name }) => show(contenders[name])),
  ]);
  return table(['limit', ...free.map(({ title }) => title)], rows);
}

const kills = (one) => (ran(one) ? `${one.kills} of ${one.runs}` : one.dead ? '†' : '—');

/** Who was killed how often, by limit; with what its † means, where it has one. */
function killTable(grid) {
  const shown = limitTable(grid, kills);
  const legend = '† not run: every run at a larger limit was killed.';
  return shown.includes('†') ? `${shown}\n\n${legend}` : shown;
}

function speed(one) {
  if (!ran(one) || one.throughput === null || one.throughput === undefined) return '—';
  return [one.throughput, one.p99, one.cpu].map((value) => value.toFixed(2)).join(' / ');
}

function governorTable({ limits }) {
  const rows = limits
    .map(({ limit, contenders }) => ({ limit, counters: contenders[GOVERNED]?.governor ?? null }))
    .filter(({ counters }) => counters !== null);
  if (rows.length === 0) return [];
  const names = Object.keys(rows[0].counters);
  const cells = rows.map(({ limit, counters }) => [
    `${limit} MB`,
    ...names.map((name) => number(counters[name])),
  ]);
  const heads = ['limit', ...names.map((name) => `\`${name}\``)];
  return ['### What the governor did', 'Medians of the runs that survived.', table(heads, cells)];
}

function calmTable({ calm }) {
  if (calm === null) return [];
  const row = (name, figures, told) => [
    name,
    ...['ungoverned', 'governed', 'added'].map((which) => told(figures[which])),
  ];
  return [
    '### At rest',
    table(
      ['', 'ungoverned', 'governed', 'added'],
      [
        row('CPU, of a core', calm.cpuShare, (share) => percent(share, 3)),
        row('anonymous memory, KB', calm.anonKb, (kb) => kb.toFixed(0)),
      ],
    ),
  ];
}

function targetTable(targets) {
  if (targets.length === 0) return [];
  const rows = targets.map(({ target, measured, met }) => [
    target,
    measured,
    met ? 'met' : 'MISSED',
  ]);
  return ['### The targets', table(['target', 'measured', ''], rows)];
}

/** All that did not run to its end and was not killed by the kernel. */
function failures({ free, limits }) {
  const all = [
    ...free.map((one) => ({ where: `${one.name}, no limit`, ...one })),
    ...limits.flatMap(({ limit, contenders }) =>
      Object.entries(contenders).map(([name, one]) => ({ where: `${name}, ${limit} MB`, ...one })),
    ),
  ];
  return all.flatMap(({ where, failures: texts = [] }) =>
    texts.map((text) => `Counted as a kill: ${where}: ${text.split('\n')[0]}`),
  );
}

/** Everything, as Markdown. */
function markdown(summary, targets) {
  return [
    '### Without a limit',
    freeTable(summary),
    '### Kills',
    killTable(summary),
    ...failures(summary),
    '### What surviving costs',
    `Throughput / p99 / CPU per request of the runs that survived. 1 is ${summary.reference} without a limit, run in between.`,
    limitTable(summary, speed),
    ...governorTable(summary),
    ...calmTable(summary),
    ...targetTable(targets),
  ].join('\n\n');
}

module.exports = { judge, killTable, markdown, summarizeAll };
