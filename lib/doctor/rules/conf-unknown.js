'use strict';

const { didYouMean, isOption, parseConf, withPair, withoutPairs } = require('../conf.js');
const { mend } = require('../fixes.js');
const sentences = require('../sentences.js');
const { WRITE_ONLY } = require('../write-only.js');
const { configured, judged, pairsOf, seen } = require('./shared.js');

/** jemalloc's own words, or that it has no such option to read back. */
function isUnknown({ process, complaints }, { key, text }) {
  if (complaints.some((line) => line.endsWith(`Invalid conf pair: ${text}`))) return true;
  const { options, optionsFrom, leftOut } = process;
  // A rehearsal has read back what it tried, and leaves some out.
  const isKnownByName = optionsFrom === 'live' || leftOut?.includes(key);
  return isKnownByName && !Object.hasOwn(options, key) && !WRITE_ONLY.includes(key);
}

function finding(subject, { key, value, text, source }) {
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
    mend: mend(process, change),
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
