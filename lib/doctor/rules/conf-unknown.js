'use strict';

const { DEPENDS_ON_BUILD, didYouMean, parseConf, withPair } = require('../conf.js');
const { mallocConf } = require('../fixes.js');
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
  const meant = didYouMean(key, Object.keys(process.options ?? {}));
  const hint = meant ? `; did you mean ${meant}?` : '';
  const what = DEPENDS_ON_BUILD.test(key) ? 'was built without it' : `has no option ${key}${hint}`;
  const conf = process.environment?.MALLOC_CONF ?? '';
  const others = parseConf(conf).pairs.filter((pair) => pair.text !== text);
  const rest = others.map((pair) => pair.text).join(',');
  return {
    code: 'conf-unknown',
    severity: 'error',
    summary: sentences.confUnknown(source, text, what),
    evidence: [seen(process, source, text), seen(process, 'judged by', judged(process))],
    fix: mallocConf(meant ? withPair(rest, meant, value) : rest),
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
