'use strict';

const { withoutPairs } = require('../conf.js');
const { mend } = require('../fixes.js');
const { configured, judged, pairsOf, seen } = require('./shared.js');

const WORDS = [
  ['Invalid conf value', 'is not a value of this option'],
  ['Out-of-range conf value', 'is out of range'],
];

/** The complaint about a pair, in jemalloc's own words. */
function complaintOf({ complaints }, { text }) {
  for (const [words, meaning] of WORDS) {
    const line = complaints.find((each) => each.endsWith(`${words}: ${text}`));
    if (line) return { line, meaning };
  }
  return null;
}

function finding({ process }, { key, value, text, source }, { line, meaning }) {
  const inForce = process.options?.[key];
  const instead = inForce === undefined || inForce === null ? '' : `; ${inForce} is in force`;
  return {
    code: 'conf-invalid',
    severity: 'error',
    summary: `${source} has ${text}: ${value} ${meaning}${instead}`,
    evidence: [
      seen(process, source, text),
      { pid: null, source: 'jemalloc', value: line },
      judged(process),
    ],
    mend: mend(process, (conf) => withoutPairs(conf, (pair) => pair.text === text)),
  };
}

function check(facts) {
  return configured(facts).flatMap((subject) =>
    pairsOf(subject).flatMap((pair) => {
      const complaint = complaintOf(subject, pair);
      return complaint ? [finding(subject, pair, complaint)] : [];
    }),
  );
}

module.exports = { codes: ['conf-invalid'], check };
