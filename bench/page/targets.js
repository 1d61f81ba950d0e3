'use strict';
// What was aimed at, and whether it was reached.

const { number } = require('../documents.js');
const { HEADLINE } = require('./article.js');
const {
  FIGURES,
  change,
  contenderNamed,
  isBetter,
  killsAt,
  sharedPlaces,
} = require('./summary.js');
const { counted, killed, median, signed } = require('./words.js');

const PEAK = -0.31;
const PEAK_OVER_FLOOR = 1.1;
const AFTER = -0.5;
const P99 = -0.03;
const AFTER_ARTICLE = -0.1;
const REST_OVER_FLOOR = 1.15;
const THROUGHPUT = 0.99;

const figureNamed = (wanted) => FIGURES.find(({ key }) => key === wanted);
const unitOf = ({ title }) => title.split(', ')[1] ?? '';

/** What was measured: its words, and whether the target is met; null where nothing can be said. */
const answer = (measured, met = null) => ({ measured, met });

/** What failed is in no latency. */
const hides = (key, { errors }) => ['p50', 'p99'].includes(key) && errors > 0;

/** Why two contenders cannot be compared in a figure, as an answer; null where they can. */
function obstacle(own, other, key) {
  if (own.kills > 0) return answer(killed(own), false);
  if (hides(key, own)) return answer(`${counted(own.errors, 'request')} failed`, false);
  if (other === undefined) return answer('not measured');
  if (other.kills > 0) return answer(`${other.title}: ${killed(other)}`);
  if (hides(key, other))
    return answer(`${other.title}: ${counted(other.errors, 'request')} failed`);
  return own.figures[key] === null || other.figures[key] === null ? answer('not measured') : null;
}

/** A change against another contender, as an answer. */
function changed(own, other, key, isMet) {
  const found = obstacle(own, other, key);
  if (found !== null) return found;
  const [from, to] = [other.figures[key], own.figures[key]];
  const share = change(from, to);
  if (share === null) return answer('nothing to compare with');
  const unit = unitOf(figureNamed(key));
  return answer(`${signed(share)} (${median(from)} → ${median(to, unit)})`, isMet(share));
}

/** How far above the floor: the words, and the quotient; null where there is no floor. */
function overFloor(figure, floor) {
  if (figure === null || !(floor > 0)) return null;
  const times = figure.median / floor;
  return { times, measured: `${times.toFixed(2)} × the floor of ${number(floor)} MB` };
}

const notWorse = (own, other, key) => !isBetter(figureNamed(key), other, own);

function peak(own, glibc, { floor }) {
  const near = overFloor(own.figures.peak, floor?.peakMb);
  const isNear = () =>
    near !== null &&
    near.times <= PEAK_OVER_FLOOR &&
    own.figures.peak.median <= glibc.figures.peak.median;
  const judged = changed(own, glibc, 'peak', (share) => share <= PEAK || isNear());
  return near === null ? judged : { ...judged, measured: `${judged.measured}; ${near.measured}` };
}

/** RSS after the load, against another contender's; and what the floor would be, where that is out of reach, too. */
function after(own, other, share, { floor }) {
  const judged = changed(own, other, 'after15', (reached) => reached <= share);
  const from = other?.figures.after15;
  if (!from || !floor) return judged;
  const possible = change(from, { median: floor.restMb });
  return possible > share
    ? { ...judged, measured: `${judged.measured}; the floor is at ${signed(possible)}` }
    : judged;
}

const hasKills = ({ kills = 0, dead = false }) => kills > 0 || dead;

function killsOf({ runs, kills, dead }, limit) {
  if (runs > 0) return `${kills} of ${runs} at ${limit} MB`;
  return dead ? `all above ${limit} MB` : `not run at ${limit} MB`;
}

/** At every limit where glibc or the article's setup was killed, or would be: none of its own. */
function kills(own, { places }) {
  const others = ['glibc', 'article'];
  const where = places.filter(({ contenders }) =>
    others.some((name) => contenders[name] && hasKills(contenders[name])),
  );
  if (where.length === 0) return answer('neither has any', own.kills === 0);
  const told = (some) =>
    some.map(({ contenders, limit }) => killsOf(contenders[own.name], limit)).join(', ');
  const lost = where.filter(({ contenders }) => hasKills(contenders[own.name]));
  if (lost.length > 0) return answer(told(lost), false);
  const missing = where.filter(({ contenders }) => contenders[own.name].runs === 0);
  return missing.length > 0 ? answer(told(missing)) : answer(told(where), true);
}

/** Kills where both ran, if they are more than another's: the words; else nothing. */
function moreKills(own, other, workload) {
  const shared = sharedPlaces(workload, own.name, other.name);
  const [mine, theirs] = [own, other].map(({ name }) => killsAt(shared, name));
  return mine.kills > theirs.kills ? [`OOM kills: ${mine.kills} against ${theirs.kills}`] : [];
}

function noRowWorse(own, article, workload) {
  const figures = HEADLINE.map(({ key }) => figureNamed(key)).filter(Boolean);
  const found = figures.map(({ key }) => obstacle(own, article, key)).find(Boolean);
  if (found !== undefined) return found;
  const worse = figures
    .filter(({ key }) => !notWorse(own, article, key))
    .map(({ key, title }) => `${title}: ${changed(own, article, key, () => false).measured}`);
  const all = [...worse, ...moreKills(own, article, workload)];
  return answer(all.join('; ') || 'none', all.length === 0);
}

function rest(own, { floor }) {
  if (own.kills > 0) return answer(killed(own), false);
  const over = overFloor(own.figures.after60, floor?.restMb);
  return over === null
    ? answer('not measured')
    : answer(over.measured, over.times <= REST_OVER_FLOOR);
}

/** All targets of a workload: each its words, and how to judge a contender. */
function targetsOf(workload) {
  const glibc = contenderNamed(workload, 'glibc');
  const article = contenderNamed(workload, 'article');
  return [
    {
      target: `peak RSS ${signed(PEAK)} of glibc’s or better, or within ${PEAK_OVER_FLOOR.toFixed(2)} × the floor and not above glibc’s`,
      of: (own) => peak(own, glibc, workload),
    },
    {
      target: `RSS 15 s after ${signed(AFTER)} of glibc’s or better`,
      of: (own) => after(own, glibc, AFTER, workload),
    },
    {
      target: 'no OOM kill wherever glibc or the article’s setup has any',
      of: (own) => kills(own, workload),
    },
    {
      target: `p99 ${signed(P99)} of glibc’s or better`,
      of: (own) => changed(own, glibc, 'p99', (share) => share <= P99),
    },
    {
      target: 'p99 no worse than glibc’s',
      of: (own) => changed(own, glibc, 'p99', () => notWorse(own, glibc, 'p99')),
    },
    {
      target: 'throughput no lower than glibc’s',
      of: (own) => changed(own, glibc, 'perSecond', () => notWorse(own, glibc, 'perSecond')),
    },
    {
      target: 'no row of the article’s table worse than the article’s setup',
      of: (own) => noRowWorse(own, article, workload),
    },
    {
      target: `RSS 15 s after ${signed(AFTER_ARTICLE)} of the article’s setup or better`,
      of: (own) => after(own, article, AFTER_ARTICLE, workload),
    },
    {
      target: `RSS 60 s after within ${REST_OVER_FLOOR.toFixed(2)} × the floor`,
      of: (own) => rest(own, workload),
    },
  ];
}

const VERDICTS = new Map([
  [true, 'met'],
  [false, 'MISSED'],
  [null, '—'],
]);
const judged = ({ measured, met }) => ({ measured, verdict: VERDICTS.get(met) });

/** For each target of a workload, what each of `names` has reached: `{ target, answers }`. */
function judge(workload, names) {
  const owns = names.map((name) => contenderNamed(workload, name));
  return targetsOf(workload).map(({ target, of }) => ({
    target,
    answers: owns.map((own) => judged(own === undefined ? answer('not measured') : of(own))),
  }));
}

function shares({ median: mid, min, max }) {
  const [middle, least, most] = [mid, min, max].map((ratio) => (100 * ratio).toFixed(1));
  return `${middle} % (${least}–${most})`;
}

/** What all of heapgap costs a service; `{ target, answers }` as above. */
function judgeCost(cost) {
  const service = cost?.service ?? null;
  const measured = ({ throughputRatio, noiseRatio }) =>
    answer(
      `${shares(throughputRatio)} of that without it; two windows without it: ${shares(noiseRatio)}`,
      throughputRatio.median >= THROUGHPUT,
    );
  const target = 'all of heapgap on: at most 1 % of throughput';
  return {
    target,
    answers: [judged(service === null ? answer('not measured') : measured(service))],
  };
}

module.exports = { judge, judgeCost };
