'use strict';
// What the runs come to: medians and ranges, kills, and who is better than whom.

const { wasKilled } = require('../outcomes.js');
const { spread } = require('../statistics.js');

/** The figures of a run. `better` is missing where neither more nor less is better, or nobody can tell what is noise. */
const FIGURES = [
  { key: 'peak', title: 'Peak RSS, MB', better: 'lower', of: (run) => run.peakMb },
  { key: 'after0', title: 'RSS at the last answer, MB', better: 'lower', of: after(0) },
  { key: 'after15', title: 'RSS 15 s after, MB', better: 'lower', of: after(15) },
  { key: 'after60', title: 'RSS 60 s after, MB', better: 'lower', of: after(60) },
  { key: 'heapUsed', title: 'largest `heapUsed`, MB', of: (run) => run.heapUsedMb },
  { key: 'gapPeak', title: 'gap at the peak, MB', better: 'lower', of: (run) => run.gapMb?.peak },
  { key: 'gapAfter', title: 'gap 15 s after, MB', better: 'lower', of: (run) => run.gapMb?.after },
  { key: 'p50', title: 'p50, ms', better: 'lower', of: (run) => run.p50Ms },
  { key: 'p99', title: 'p99, ms', better: 'lower', of: (run) => run.p99Ms },
  // One figure of all rounds.
  { key: 'p999', title: 'p99.9 of all rounds, ms' },
  { key: 'perSecond', title: 'answers per s', better: 'higher', of: (run) => run.perSecond },
  { key: 'errors', title: 'errors', whole: true, better: 'lower', of: (run) => run.errors },
  { key: 'cpu', title: 'CPU, s', better: 'lower', of: (run) => run.cpuSeconds },
  { key: 'loop', title: 'event loop delay, ms', better: 'lower', of: (run) => run.loopDelayMs },
  // What the benchmark's own timers take, and what others do on the same CPUs, is in these.
  { key: 'restCpu', title: 'CPU at rest, s', of: (run) => run.restCpuSeconds },
  { key: 'restLoop', title: 'event loop delay at rest, ms', of: (run) => run.restLoopDelayMs },
];

/** Medians that are closer than this are alike. */
const NOISE = 0.02;

function after(seconds) {
  return (run) => run.afterMb?.[seconds];
}

const sum = (values) => values.reduce((total, value) => total + value, 0);

/** The figures of all runs; null in all where one did not survive: what is left then is a selection. */
function figuresOf(runs, p999Ms) {
  const counted = runs.some(wasKilled) ? [] : runs;
  const inRuns = FIGURES.filter((figure) => figure.of !== undefined);
  const of = (figure) => spread(counted.map(figure.of).filter(Number.isFinite));
  const figures = inRuns.map((figure) => [figure.key, of(figure)]);
  return { ...Object.fromEntries(figures), p999: spread([p999Ms].filter(Number.isFinite)) };
}

/** One line for each way in which runs ended, unless the kernel killed them. */
function failuresOf(runs) {
  const failed = runs.filter(({ outcome }) => outcome !== 'killed' && outcome !== 'survived');
  const told = failed.map(({ outcome, said = '' }) => `${outcome} ${said}`.trim());
  return [...new Set(told)];
}

/** Of one contender: its runs with the limit of all figures. */
const contenderOf = ({ name, title }, runs, p999Ms) => ({
  name,
  title,
  runs: runs.length,
  kills: runs.filter(wasKilled).length,
  errors: sum(runs.map(({ errors }) => errors ?? 0)),
  failures: failuresOf(runs),
  figures: figuresOf(runs, p999Ms),
});

const allKilled = ({ runs, kills }) => runs > 0 && kills === runs;

/** Where there were runs, from the largest limit down: `{ limit, contenders }` with the kills of each by name. */
function placesOf(here, { contenders, limitMb }, survival) {
  const at = (limit, name) =>
    limit === limitMb ? here.find((one) => one.name === name) : survival.kills[name]?.[limit];
  const smaller = (survival?.limitsMb ?? []).filter((limit) => limit !== limitMb);
  const places = [];
  for (const limit of [limitMb, ...smaller]) {
    const found = contenders.map(({ name }) => {
      const dead = places.some((place) => allKilled(place.contenders[name]));
      return [name, at(limit, name) ?? { runs: 0, kills: 0, errors: 0, failures: [], dead }];
    });
    places.push({ limit, contenders: Object.fromEntries(found) });
  }
  return places;
}

function workloadOf(workload, results) {
  const { contenders, survival } = results;
  const runsOf = ({ name }) => workload.runs[name] ?? [];
  const here = contenders
    .filter((one) => runsOf(one).length > 0)
    .map((one) => contenderOf(one, runsOf(one), workload.p999Ms[one.name]));
  const own = survival.find((one) => one.workload === workload.name);
  return {
    ...workload,
    contenders: here,
    places: placesOf(here, results, own),
    smallerBursts: own?.bursts ?? [],
  };
}

/** By workload: `contenders` with their figures, `places` with their kills, and the load at the smaller of these. */
const summarize = (results) => results.workloads.map((one) => workloadOf(one, results));

/** Kills and runs of a contender at all limits, or at some. */
const killsAt = (places, name) => ({
  runs: sum(places.map(({ contenders }) => contenders[name].runs)),
  kills: sum(places.map(({ contenders }) => contenders[name].kills)),
});

/** Limits at which both ran: only there can kills be compared. */
const sharedPlaces = ({ places }, ...names) =>
  places.filter(({ contenders }) => names.every((name) => contenders[name]?.runs > 0));

const contenderNamed = ({ contenders }, wanted) => contenders.find(({ name }) => name === wanted);

/** By how much `to` is more than `from`; null where either is missing or `from` is nothing. */
const change = (from, to) =>
  from === null || to === null || from.median <= 0 ? null : to.median / from.median - 1;

/** Ranges that do not overlap, and medians that are not alike. */
function differs(one, other) {
  if (one === null || other === null) return false;
  const apart = one.max < other.min || one.min > other.max;
  return apart && Math.abs(one.median - other.median) > NOISE * Math.abs(other.median);
}

/** Whether a contender is better than another in a figure, beyond noise. */
function isBetter({ key, better }, one, other) {
  const [a, b] = [one.figures[key], other.figures[key]];
  return differs(a, b) && (better === 'higher' ? a.median > b.median : a.median < b.median);
}

module.exports = {
  FIGURES,
  NOISE,
  change,
  contenderNamed,
  isBetter,
  killsAt,
  sharedPlaces,
  summarize,
};
