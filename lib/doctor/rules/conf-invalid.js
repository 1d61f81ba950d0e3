'use strict';

const { agrees, withRepaired } = require('../conf.js');
const { mendPair } = require('../fixes.js');
const { complaintOf, configured, judged, pairsOf, seen } = require('./shared.js');

const MEANINGS = {
  'Invalid conf value': 'is not a value of this option',
  'Out-of-range conf value': 'is out of range',
};

function finding({ process }, pair, { line, words }) {
  const { key, value, text, source } = pair;
  const inForce = process.options?.[key];
  const instead = inForce === undefined || inForce === null ? '' : `; ${inForce} is in force`;
  return {
    code: 'conf-invalid',
    severity: 'error',
    summary: `${source} has ${text}: ${value} ${MEANINGS[words]}${instead}`,
    evidence: [
      seen(process, source, text),
      { pid: null, source: 'jemalloc', value: line },
      judged(process),
    ],
    mend: mendPair(pair, (conf) => withRepaired(conf, (each) => each.text === text)),
  };
}

/** A second jemalloc in the process may have complained of what the one that serves has taken. */
function isTaken({ process: { options } }, { key, value }) {
  const inForce = options?.[key] ?? null;
  return inForce !== null && agrees(value, inForce);
}

function check(facts) {
  return configured(facts).flatMap((subject) =>
    pairsOf(subject).flatMap((pair) => {
      const complaint = complaintOf(subject, pair, Object.keys(MEANINGS));
      return complaint && !isTaken(subject, pair) ? [finding(subject, pair, complaint)] : [];
    }),
  );
}

module.exports = { codes: ['conf-invalid'], check };
