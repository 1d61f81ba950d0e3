'use strict';
// Where options come from, what they were meant to be, and how to mend them.

const { agrees, parseConf } = require('./pairs.js');
const { WRITE_ONLY } = require('./write-only.js');

/** What tells a process's jemalloc its options, weakest first (jemalloc(3), TUNING). */
function confSources({ environment }, etcMallocConf) {
  const sources = [
    { source: '/etc/malloc.conf', text: etcMallocConf },
    { source: 'MALLOC_CONF', text: environment?.MALLOC_CONF },
  ];
  return sources
    .filter(({ text }) => typeof text === 'string' && text !== '')
    .map(({ source, text }) => ({ source, text, ...parseConf(text) }));
}

/** Options of jemalloc 3 and 4, and what took their place. */
const RENAMED = {
  decay_time: 'dirty_decay_ms',
  lg_dirty_mult: 'dirty_decay_ms',
  purge: 'dirty_decay_ms',
};

/** How many letters must change to make `a` of `b` (Levenshtein). */
function distance(a, b) {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const change = row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(change, row[j] + 1, next[j - 1] + 1));
    }
    row = next;
  }
  return row[b.length];
}

/** Options that not every build has (jemalloc's INSTALL.md: --enable-prof, --enable-utrace and so on). */
const DEPENDS_ON_BUILD =
  /^(fill|junk|log|utrace|xmalloc|prof(_(accum|active|final|gdump|leak|log|prefix|stats))?)$/;

const MAX_KEY = 64;
const MAX_DISTANCE = 3;

/** Whether some version or build has the option; `known` are those that could be read back. */
const isOption = (key, known) =>
  known.includes(key) || WRITE_ONLY.includes(key) || DEPENDS_ON_BUILD.test(key);

/** The option that `key` was probably meant to be, or `null`. */
function didYouMean(key, known) {
  if (Object.hasOwn(RENAMED, key)) return RENAMED[key];
  if (key.length > MAX_KEY) return null;
  if (isOption(key, known)) return null;
  const names = [...known, ...WRITE_ONLY].map((name) => [distance(key.toLowerCase(), name), name]);
  const [nearest, name] = names.reduce((a, b) => (b[0] < a[0] ? b : a), [Infinity, null]);
  return nearest <= Math.min(MAX_DISTANCE, Math.floor(key.length / 3)) ? name : null;
}

const joined = (pairs) => pairs.map((pair) => pair.text).join(',');

/** `text` without the pairs that `isUnwanted`. */
const withoutPairs = (text, isUnwanted) =>
  joined(parseConf(text).pairs.filter((pair) => !isUnwanted(pair)));

/** `text` with the pairs of `key` replaced by `value`, added where there is none. */
function withPair(text, key, value) {
  const others = withoutPairs(text, (pair) => pair.key === key);
  return [...(others === '' ? [] : [others]), `${key}:${value}`].join(',');
}

/** `text` with the last pair of each key alone: the one that jemalloc takes. */
const withLastPairs = (text) =>
  joined([...new Map(parseConf(text).pairs.map((pair) => [pair.key, pair])).values()]);

/** The pairs that were probably meant, where they are separated by others than commas, or have a `=`. */
function meantPairs(text) {
  const words = text
    .replace(/\s+/g, ' ')
    .replace(/ ?([:=,;]) ?/g, '$1')
    .split(/[,; ]/);
  const pairs = words.map((word) => /^([A-Za-z0-9_]+)[:=](.+)$/.exec(word)).filter(Boolean);
  return pairs.map(([, key, value]) => ({ key, value, text: `${key}:${value}` }));
}

/** `text` as it was probably meant, less what cannot be a pair. */
const wellFormed = (text) => joined(meantPairs(text));

/** `text` with each pair that `isWrong` replaced by those that it was probably meant to be, if any. */
function withRepaired(text, isWrong) {
  const repaired = (pair) => {
    const meant = meantPairs(pair.text);
    return meant.some((each) => each.text === pair.text) ? [] : meant;
  };
  return joined(parseConf(text).pairs.flatMap((pair) => (isWrong(pair) ? repaired(pair) : [pair])));
}

module.exports = {
  agrees,
  confSources,
  didYouMean,
  isOption,
  parseConf,
  wellFormed,
  withLastPairs,
  withPair,
  withRepaired,
  withoutPairs,
};
