'use strict';

const { didYouMean, isOption, parseConf, withPair, withoutPairs } = require('../conf.js');
const { mendPair } = require('../fixes.js');
const sentences = require('../sentences.js');
const { WRITE_ONLY } = require('../write-only.js');
const { complaintOf, configured, isJemalloc, judged, pairsOf, seen } = require('./shared.js');

/** jemalloc's own words, or that it has no such option to read back. */
function isUnknown(subject, pair) {
  const { options, optionsFrom, leftOut } = subject.process;
  const { key } = pair;
  // A second jemalloc in the process complains of what it alone does not know.
  if (Object.hasOwn(options ?? {}, key)) return false;
  const isUnsure = WRITE_ONLY.includes(key) && hasTwo(subject.process);
  if (!isUnsure && complaintOf(subject, pair, ['Invalid conf pair'])) return true;
  // A rehearsal has read back what it tried, and leaves some out.
  const isKnownByName = optionsFrom === 'live' || leftOut?.includes(key);
  return isKnownByName && !WRITE_ONLY.includes(key);
}

const hasTwo = ({ mapped }) => (mapped ?? []).filter(isJemalloc).length > 1;

function finding(subject, pair) {
  const { key, value, text, source } = pair;
  const { process } = subject;
  const known = Object.keys(process.options ?? {});
  const meant = didYouMean(key, known);
  const hint = meant ? `; did you mean ${meant}?` : '';
  const what = isOption(key, known) ? 'was built without it' : `has no option ${key}${hint}`;
  const change = (conf) => {
    const rest = withoutPairs(conf, (pair) => pair.text === text);
    const isSet = parseConf(rest).pairs.some((pair) => pair.key === meant);
    return meant && !isSet ? withPair(rest, meant, value) : rest;
  };
  return {
    code: 'conf-unknown',
    severity: 'error',
    summary: sentences.confUnknown(source, text, what),
    evidence: [seen(process, source, text), judged(process)],
    mend: mendPair(pair, change),
  };
}

function check(facts) {
  return configured(facts).flatMap((subject) =>
    pairsOf(subject)
      .filter((pair) => isUnknown(subject, pair))
      .map((pair) => finding(subject, pair)),
  );
}

module.exports = { codes: ['conf-unknown'], check };
