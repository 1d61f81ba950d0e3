'use strict';
// Which runs there are, in their order, and what they come to as bench/page/results.d.ts has it.

const { UNGOVERNED, contenders } = require('../contenders.js');
const { shuffled } = require('../order.js');
const { allKilled, wasKilled } = require('../outcomes.js');
const { MIB } = require('../process.js');
const { quantile, spread } = require('../statistics.js');
const { run } = require('./run.js');
const { burstsOf } = require('./settings.js');

const LIMIT_MB = 512;
/** The run that counts what is live, by the shipped jemalloc's own figures. */
const FLOOR = 'floor';
const FLOOR_VARIABLE = 'HEAPGAP_BENCH_FLOOR=1';
/** A run, before the first one has told. */
const FIRST_GUESS_MS = 15_000;

const keyOf = ({ section, workload, name, limitMb, round }) =>
  JSON.stringify([section, workload.name, name, limitMb, round]);

const upTo = (rounds) => Array.from({ length: rounds }, (_, round) => round);

function tableRuns(workloads, settings) {
  const named = contenders(...settings.contenders).map((contender) => ({
    contender,
    name: contender.name,
  }));
  const [shipped] = contenders(UNGOVERNED);
  const floor = { contender: shipped, name: FLOOR, variables: [FLOOR_VARIABLE] };
  return upTo(settings.rounds).flatMap((round) =>
    workloads.flatMap((workload) =>
      shuffled([...named, ...(round === 0 ? [floor] : [])], round).map((one) => ({
        ...one,
        section: 'table',
        workload,
        round,
        limitMb: LIMIT_MB,
        bursts: burstsOf(workload, settings.bursts),
        restFactor: settings.restFactor,
      })),
    ),
  );
}

/** Largest limits first: what dies there every time is not run at smaller ones. */
function survivalRuns(workloads, settings) {
  const { survival } = settings;
  const chosen = workloads.filter(({ name }) => survival.workloads.includes(name));
  return chosen.flatMap((workload) =>
    workload.limitsMb.flatMap((limitMb) =>
      upTo(survival.rounds).flatMap((round) =>
        shuffled(contenders(...settings.contenders), round).map((contender) => ({
          section: 'survival',
          contender,
          name: contender.name,
          workload,
          round,
          limitMb,
          bursts: burstsOf(workload, survival.bursts),
          restFactor: null,
        })),
      ),
    ),
  );
}

/** What became of those that are like `wanted`, in the order of their rounds. */
function resultsOf({ runs }, wanted) {
  const names = Object.keys(wanted);
  return Object.values(runs)
    .filter((one) => names.every((name) => one[name] === wanted[name]))
    .map(({ result }) => result);
}

const inSmallGroup = (store, workload, name, limitMb) =>
  resultsOf(store, { section: 'survival', workload: workload.name, name, limitMb });

function isDead(store, { section, workload, name, limitMb }) {
  if (section !== 'survival') return false;
  const larger = workload.limitsMb.filter((other) => other > limitMb);
  return larger.some((other) => allKilled(inSmallGroup(store, workload, name, other)));
}

/** Runs all that has not been run. Those that rest do so while the next ones run. */
async function runAll(store, planned, say) {
  const isLeft = (one) => !(keyOf(one) in store.runs) && !isDead(store, one);
  const resting = new Set();
  const started = Date.now();
  let done = 0;
  for (const one of planned) {
    if (!isLeft(one)) continue;
    const left = planned.filter(isLeft).length - resting.size;
    const each = done === 0 ? FIRST_GUESS_MS : (Date.now() - started) / done;
    const minutes = Math.ceil((left * each) / 60_000);
    const where = `${one.workload.name} in ${one.limitMb} MB, round ${one.round + 1}`;
    say(`${where}: ${one.name}; ${left} runs, ${minutes} min left`);
    const { measured } = await run(one);
    done += 1;
    const kept = measured.then((result) => {
      const { section, workload, name, limitMb, round } = one;
      store.runs[keyOf(one)] = { section, workload: workload.name, name, limitMb, round, result };
      store.save();
      resting.delete(kept);
    });
    kept.catch(() => {});
    resting.add(kept);
    if (one.restFactor === null) await kept;
  }
  say('waiting for those that rest');
  await Promise.all(resting);
}

const rounded = (series) => series.map((point) => point.map((value) => Number(value.toFixed(1))));

/** RSS over time is kept of one run only: of one in the middle by its peak. */
function withOneSeries(results) {
  const byPeak = [...results].sort((a, b) => a.peakMb - b.peakMb);
  const chosen = byPeak[Math.floor(byPeak.length / 2)];
  return results.map((result) => ({
    ...published(result),
    series: result === chosen ? rounded(result.series) : [],
  }));
}

const NULLS = {
  afterMb: null,
  heapUsedMb: null,
  gapMb: null,
  p50Ms: null,
  p99Ms: null,
  perSecond: null,
  errors: null,
  cpuSeconds: null,
  loopDelayMs: null,
  restCpuSeconds: null,
  restLoopDelayMs: null,
};

/** A `Run`: without what the floor and pooled figures are made of, and with null for what was not measured. */
const published = ({ floor, idleMb, latenciesMs, ...result }) => ({ ...NULLS, ...result });

/** One in a thousand is known from so many requests on. */
const ENOUGH = 1000;

/** Of the requests of all rounds; null where they are too few, or some were lost. */
function p999Of(results) {
  if (results.some(wasKilled)) return null;
  const all = results.flatMap(({ latenciesMs }) => latenciesMs);
  return all.length < ENOUGH ? null : quantile(all, 0.999);
}

/** RSS when the service listens, of the contender that takes least; null where none did. */
function leastIdle(byContender) {
  const medians = byContender.map((results) =>
    spread(results.flatMap(({ idleMb = [] }) => idleMb)),
  );
  const known = medians.flatMap((idle) => idle?.median ?? []);
  return known.length === 0 ? null : Math.min(...known);
}

/**
 * What a service holds: the least RSS when it listens, and what the run that counted it had live beyond what was live
 * then. What start-up left as garbage is in both, and so in neither sum: its room is used again.
 */
function floorOf(counted, byContender) {
  const idleMb = leastIdle(byContender);
  if (counted === undefined || wasKilled(counted) || idleMb === null) return null;
  const { idle, peak, now } = counted.floor;
  const above = (live) => idleMb + (live - idle) / MIB;
  return { idleMb, peakMb: above(peak), restMb: above(now) };
}

/** `Workload[]`. */
function workloadsOf(store, workloads, settings) {
  const of = (workload, name) =>
    resultsOf(store, { section: 'table', workload: workload.name, name });
  return workloads.map((workload) => ({
    name: workload.name,
    title: workload.title,
    about: workload.about,
    bursts: burstsOf(workload, settings.bursts),
    floor: floorOf(
      of(workload, FLOOR)[0],
      settings.contenders.map((name) => of(workload, name)),
    ),
    p999Ms: Object.fromEntries(
      settings.contenders.map((name) => [name, p999Of(of(workload, name))]),
    ),
    runs: Object.fromEntries(
      settings.contenders.map((name) => [name, withOneSeries(of(workload, name))]),
    ),
  }));
}

/** `Survival[]`. */
function survivalsOf(store, workloads, settings) {
  const chosen = workloads.filter(({ name }) => settings.survival.workloads.includes(name));
  const summarize = (results) => ({
    runs: results.length,
    kills: results.filter(wasKilled).length,
    errors: results.reduce((sum, { errors = 0 }) => sum + errors, 0),
    failures: results
      .filter(({ outcome }) => !['survived', 'killed'].includes(outcome))
      .map(({ outcome, said }) => `${outcome} ${said}`.trim()),
  });
  const killsOf = (workload, name) =>
    workload.limitsMb
      .map((limitMb) => [limitMb, inSmallGroup(store, workload, name, limitMb)])
      .filter(([, results]) => results.length > 0)
      .map(([limitMb, results]) => [limitMb, summarize(results)]);
  return chosen.map((workload) => ({
    workload: workload.name,
    limitsMb: workload.limitsMb,
    bursts: burstsOf(workload, settings.survival.bursts),
    kills: Object.fromEntries(
      settings.contenders.map((name) => [name, Object.fromEntries(killsOf(workload, name))]),
    ),
  }));
}

module.exports = {
  LIMIT_MB,
  floorOf,
  p999Of,
  runAll,
  survivalRuns,
  survivalsOf,
  tableRuns,
  workloadsOf,
};
