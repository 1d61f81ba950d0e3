'use strict';
// The page's tables.

const { GOVERNED, UNGOVERNED } = require('../contenders.js');
const { cell, number, table } = require('../documents.js');
const { HEADLINE } = require('./article.js');
const {
  FIGURES,
  change,
  contenderNamed,
  isBetter,
  killsAt,
  sharedPlaces,
} = require('./summary.js');
const { reasonOf } = require('./reasons.js');
const { judge, judgeCost } = require('./targets.js');
const { counted, killed, median, quoted, signed } = require('./words.js');

const OWN = [UNGOVERNED, GOVERNED];
const isOwn = ({ name }) => OWN.includes(name);

/** The article's own. */
function articleTable() {
  const rows = HEADLINE.filter(({ article }) => article.before !== '—').map(({ article }) => [
    article.title,
    article.before,
    article.after,
    article.change,
  ]);
  return table(['the article', 'before', 'after', 'change'], rows);
}

// Ours in its shape

const runsOf = ({ runs, kills }) => `${kills} of ${runs}`;

function killCells(places, glibc, own) {
  const [from, to] = [glibc, own].map(({ name }) => killsAt(places, name));
  return [runsOf(to), from.kills === 0 ? '—' : signed(to.kills / from.kills - 1)];
}

function figureCells(key, unit, glibc, own) {
  if (own.kills > 0) return [killed(own), '—'];
  const to = own.figures[key];
  return [median(to, unit), signed(change(glibc.figures[key], to))];
}

/** Before and after, with the article's change beside ours; null where glibc or heapgap was not run. */
function headlineTable(workload) {
  const glibc = contenderNamed(workload, 'glibc');
  const owns = workload.contenders.filter(isOwn);
  if (glibc === undefined || owns.length === 0) return null;
  const places = sharedPlaces(workload, ...[glibc, ...owns].map(({ name }) => name));
  const cells = ({ key, unit }, one) =>
    key === 'kills' ? killCells(places, glibc, one) : figureCells(key, unit, glibc, one);
  const rows = HEADLINE.map((row) => [
    row.title,
    cells(row, glibc)[0],
    ...owns.flatMap((one) => cells(row, one)),
    row.article.change,
  ]);
  const heads = owns.flatMap(({ title }) => [title, 'change']);
  return table(['', 'glibc', ...heads, 'the article'], rows);
}

// All contenders

/** Which figure of the floor goes with which of a run. */
const FLOOR = { peak: 'peakMb', after60: 'restMb' };

const wholeCell = ({ median: mid, min, max }) =>
  min === max ? String(mid) : `${mid} (${min}–${max})`;

function figureCell({ kills, figures }, { key, whole }) {
  if (kills > 0) return '†';
  const figure = figures[key];
  if (figure === null) return '—';
  if (key === 'p999') return number(figure.median);
  return whole ? wholeCell(figure) : cell(figure);
}

function floorCell(floor, key) {
  const figure = floor?.[FLOOR[key]];
  return figure === undefined ? '—' : number(figure);
}

function fullTable({ contenders, floor }) {
  const rows = FIGURES.map((figure) => [
    figure.title,
    ...contenders.map((one) => figureCell(one, figure)),
    floorCell(floor, figure.key),
  ]);
  return table(
    ['', ...contenders.map(({ title }) => title), 'the floor'],
    [['runs killed', ...contenders.map(runsOf), '—'], ...rows],
  );
}

/** What ended otherwise than by the kernel. */
function failures({ contenders, places }) {
  const here = contenders.map(({ name, title }) => ({ name, title }));
  return here.flatMap(({ name, title }) =>
    places.flatMap(({ limit, contenders: at }) =>
      at[name].failures.map((text) => `Counted as killed: ${title}, ${limit} MB: ${quoted(text)}`),
    ),
  );
}

/** Requests that failed of services that survived, where there were any. */
function errors({ contenders, places }) {
  return contenders.flatMap(({ name, title }) =>
    places
      .filter(({ contenders: at }) => at[name].errors > 0)
      .map(
        ({ limit, contenders: at }) =>
          `${title}, ${limit} MB: ${counted(at[name].errors, 'request')} failed`,
      ),
  );
}

// Cost

const callTable = (calls) =>
  table(
    ['call', 'on', 'until it answers, µs', 'held the event loop at most, µs'],
    calls.map(({ name, allocator, us, loopUs }) => [
      `\`${name}\``,
      allocator,
      cell(us),
      loopUs === null ? 'all of it' : cell(loopUs),
    ]),
  );

const GROWTH = [
  ['`stats()`, µs', 'statsUs'],
  ['age of its figures, ms', 'statsAgeMs'],
  ['`snapshot()`, µs', 'snapshotUs'],
  ['`inspect()`, ms', 'inspectMs'],
  ['its hold of the loop, ms', 'inspectLoopMs'],
  ['`process.memoryUsage()`, µs', 'memoryUsageUs'],
];

const growthTable = ({ unit, points }) =>
  table(
    [unit, ...GROWTH.map(([title]) => title)],
    points.map((point) => [String(point.at), ...GROWTH.map(([, key]) => cell(point[key]))]),
  );

const PURGE = [
  ['dirty, MB', 'dirtyMb'],
  ['took, ms', 'durationMs'],
  ['returned, MB', 'releasedMb'],
  ['longest delay of the event loop, ms', 'loopMs'],
  ['the same without a purge, ms', 'idleLoopMs'],
];

const purgeTable = (rows) =>
  table(
    PURGE.map(([title]) => title),
    rows.map((row) => PURGE.map(([, key]) => cell(row[key]))),
  );

const ratio = ({ median: mid, min, max }) =>
  `${mid.toFixed(3)} (${min.toFixed(3)}–${max.toFixed(3)})`;

const serviceTable = ({ perSecond, cpuMsPerRequest, throughputRatio, cpuRatio, noiseRatio }) =>
  table(
    ['', 'off', 'on', 'on ÷ off'],
    [
      ['answers per s', cell(perSecond.off), cell(perSecond.on), ratio(throughputRatio)],
      ['the same, off ÷ off', '—', '—', ratio(noiseRatio)],
      ['CPU per request, ms', cell(cpuMsPerRequest.off), cell(cpuMsPerRequest.on), ratio(cpuRatio)],
    ],
  );

// Targets

const spread = (answers) => answers.flatMap(({ measured, verdict }) => [measured, verdict]);

function targetTable(workload) {
  const owns = workload.contenders.filter(isOwn);
  if (owns.length === 0) return 'heapgap was left out of this run.';
  const rows = judge(
    workload,
    owns.map(({ name }) => name),
  ).map(({ target, answers }) => [target, ...spread(answers)]);
  return table(['target', ...owns.flatMap(({ title }) => [title, ''])], rows);
}

function costTargetTable(cost) {
  const { target, answers } = judgeCost(cost);
  return table(['target', 'measured', ''], [[target, ...spread(answers)]]);
}

/** How many of all targets were met, missed, or could not be judged. */
function verdicts(workloads, cost) {
  const all = workloads.flatMap((one) =>
    judge(
      one,
      one.contenders.filter(isOwn).map(({ name }) => name),
    ),
  );
  const answers = [...all, judgeCost(cost)].flatMap((one) => one.answers);
  const count = (wanted) => answers.filter(({ verdict }) => verdict === wanted).length;
  return { all: answers.length, met: count('met'), missed: count('MISSED'), open: count('—') };
}

// Where others win

/** The others that are better than all of heapgap's in a figure, the best first. */
function winners({ contenders }, figure) {
  const owns = contenders.filter(isOwn);
  return contenders
    .filter((one) => !isOwn(one) && owns.every((own) => isBetter(figure, one, own)))
    .sort((a, b) => (isBetter(figure, a, b) ? -1 : Number(isBetter(figure, b, a))));
}

/** Why they win, as far as somebody has looked. */
function reasonsFor({ name }, key, winning) {
  const known = winning.flatMap((one) => reasonOf(name, key, one.name) ?? []);
  return `. ${known.length === 0 ? 'Not explained yet.' : [...new Set(known)].join(' ')}`;
}

function figureWins(workload) {
  const owns = workload.contenders.filter(isOwn);
  const told = (one, figure) => `${one.title} ${figureCell(one, figure)}`;
  return FIGURES.filter(({ better }) => better !== undefined).flatMap((figure) => {
    const found = winners(workload, figure);
    const against = owns.map((own) => told(own, figure)).join('; ');
    const line = `${figure.title}: ${found.map((one) => told(one, figure)).join('; ')}; against ${against}`;
    return found.length === 0 ? [] : [line + reasonsFor(workload, figure.key, found)];
  });
}

/** Limits that others survive and neither of heapgap's does. */
function survivalWins({ name, contenders, places }) {
  const owns = contenders.filter(isOwn);
  return places.flatMap(({ limit, contenders: at }) => {
    const dies = ({ name }) => at[name].kills > 0 || at[name].dead === true;
    const found = contenders.filter((one) => !isOwn(one) && at[one.name].runs > 0 && !dies(one));
    if (found.length === 0 || !owns.every(dies)) return [];
    const told = (one) =>
      at[one.name].runs > 0 ? `${one.title} ${runsOf(at[one.name])}` : one.title;
    const line = `kills at ${limit} MB: none of ${found.map(({ title }) => title).join('; ')}; against ${owns.map(told).join('; ')}`;
    return [line + reasonsFor({ name }, 'kills', found)];
  });
}

/** A line for each figure in which another contender is better than both of heapgap's beyond noise. */
function wins(workload) {
  if (!workload.contenders.some(isOwn)) return [];
  return [...survivalWins(workload), ...figureWins(workload)].map(
    (text) => `${workload.title}, ${text}`,
  );
}

const allocatorTable = ({ allocators }, contenders) =>
  table(
    ['contender', 'allocator'],
    contenders.map(({ name, title }) => {
      const { name: allocator, version } = allocators[name] ?? { name: '—', version: null };
      return [title, [allocator, version].filter(Boolean).join(' ')];
    }),
  );

const loadTable = (bursts) =>
  table(
    ['burst', 'requests per s', 'for, s', 'then none for, s'],
    bursts.map(({ perSecond, seconds, idleSeconds }, i) => [
      String(i + 1),
      ...[perSecond, seconds, idleSeconds].map(number),
    ]),
  );

module.exports = {
  allocatorTable,
  articleTable,
  callTable,
  costTargetTable,
  errors,
  failures,
  fullTable,
  growthTable,
  headlineTable,
  loadTable,
  purgeTable,
  serviceTable,
  targetTable,
  verdicts,
  wins,
};
