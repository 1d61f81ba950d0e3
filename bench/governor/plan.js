'use strict';
// Which runs there are, in their order, and what became of them.

const { GOVERNED, UNGOVERNED } = require('../contenders.js');
const { shuffled } = require('../order.js');
const { allKilled } = require('../outcomes.js');
const { measureCalm } = require('./calm.js');
const { measure } = require('./run.js');

/** A limit this much above all peaks of a contender that has no limit is ample for it. */
const AMPLE = 1.15;
const AMPLE_ROUNDS = 3;
/** The machine's speed changes while others use it: every second round has a run without a limit. */
const REFERENCE_EVERY = 2;
/** A run, before the first one has told. */
const FIRST_GUESS_MS = 6000;

/** All runs of a contender at a limit in MB, or without one (null), in the order of their rounds. */
function runsOf({ runs }, name, limit) {
  return Object.values(runs).filter((run) => run.name === name && run.limit === limit);
}

/** The runs without a limit that are between those at `limit`. */
function referencesOf({ runs }, limit) {
  return Object.values(runs).filter((run) => run.referenceOf === limit);
}

/** Killed at a larger limit in every run: not run at smaller ones. */
function isDead(store, name, limit, limits) {
  const larger = limits.filter((other) => other > limit);
  return larger.some((other) => allKilled(runsOf(store, name, other)));
}

function roundsAt(store, name, limit, rounds) {
  const peaks = runsOf(store, name, null).map(({ peakMb }) => peakMb);
  const isAmple = peaks.length > 0 && limit >= AMPLE * Math.max(...peaks);
  return isAmple ? Math.min(AMPLE_ROUNDS, rounds) : rounds;
}

/** What runs without a limit between the others: the governed service where there is one. */
const referenceAmong = (contenders) =>
  [GOVERNED, UNGOVERNED, contenders[0].name]
    .map((wanted) => contenders.find(({ name }) => name === wanted))
    .find((found) => found !== undefined);

/** The runs at one limit. */
function plannedAt(store, limit, { contenders, limits, rounds }) {
  const alive = contenders.filter(({ name }) => !isDead(store, name, limit, limits));
  const reference = referenceAmong(contenders);
  const planned = [];
  for (let round = 0; round < rounds && alive.length > 0; round++) {
    if (round % REFERENCE_EVERY === 0) {
      planned.push({ contender: reference, limit: null, referenceOf: limit, round });
    }
    for (const contender of shuffled(alive, round + limits.indexOf(limit))) {
      if (round < roundsAt(store, contender.name, limit, rounds))
        planned.push({ contender, limit, round });
    }
  }
  return planned;
}

/** The runs without a limit. */
function plannedFree({ contenders, freeRounds }) {
  return Array.from({ length: freeRounds }, (_, round) =>
    shuffled(contenders, round).map((contender) => ({ contender, limit: null, round })),
  ).flat();
}

const keyOf = ({ contender, limit, referenceOf = null, round }) =>
  JSON.stringify([contender.name, limit, referenceOf, round]);

/** What may be left to run, as far as is known now. */
function left(store, plan, from) {
  const later = plan.limits.slice(from).flatMap((limit) => plannedAt(store, limit, plan));
  return [...plannedFree(plan), ...later].filter((one) => !(keyOf(one) in store.runs)).length;
}

/** Runs all that has not been run, without a limit and then from the largest limit down. */
async function runAll(store, plan, say) {
  const started = Date.now();
  let done = 0;
  async function runEach(planned, from) {
    for (const one of planned) {
      const key = keyOf(one);
      if (key in store.runs) continue;
      const rest = left(store, plan, from);
      const each = done === 0 ? FIRST_GUESS_MS : (Date.now() - started) / done;
      const minutes = Math.ceil((rest * each) / 60_000);
      const where = one.limit === null ? 'no limit' : `${one.limit} MB`;
      say(
        `${one.contender.name}, ${where}, round ${one.round + 1}; at most ${rest} runs, ${minutes} min left`,
      );
      const askGovernor = one.contender.name === GOVERNED;
      const result = await measure(one.contender, { ...plan, limit: one.limit, askGovernor });
      const { limit, referenceOf } = one;
      const name = referenceOf === undefined ? one.contender.name : 'reference';
      store.runs[key] = { name, limit, referenceOf, ...result };
      store.save();
      done += 1;
    }
  }
  await runEach(plannedFree(plan), 0);
  for (const [index, limit] of plan.limits.entries()) {
    await runEach(plannedAt(store, limit, plan), index);
  }
}

/** Measures what is calm, once. */
async function runCalm(store, { contenders }, say) {
  if (store.calm !== null) return;
  if (!contenders.some(({ name }) => name === GOVERNED)) return;
  say('processes at rest');
  store.calm = await measureCalm();
  store.save();
}

module.exports = {
  isDead,
  referenceAmong,
  referencesOf,
  runAll,
  runCalm,
  runsOf,
};
