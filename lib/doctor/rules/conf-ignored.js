'use strict';

const { agrees, withPair } = require('../conf.js');
const { mendPair } = require('../fixes.js');
const sentences = require('../sentences.js');
const { complaintOf, configured, judged, pairsOf, seen } = require('./shared.js');

/** jemalloc says nothing when it clips a value, and when the kernel lacks what an option needs. */
function check(facts) {
  return configured(facts).flatMap((subject) => {
    const { process } = subject;
    const last = new Map(pairsOf(subject).map((pair) => [pair.key, pair]));
    const untried = process.leftOut ?? [];
    return [...last.values()]
      .filter(({ key }) => !untried.includes(key))
      .filter((pair) => !complaintOf(subject, pair))
      .filter(({ key, value }) => !agrees(value, process.options?.[key]))
      .map((pair) => finding(process, pair));
  });
}

function finding(process, pair) {
  const { key, text, source } = pair;
  const inForce = process.options[key];
  return {
    code: 'conf-ignored',
    severity: 'warning',
    summary: sentences.confIgnored(source, text, key, inForce),
    evidence: [seen(process, source, text), seen(process, `opt.${key}`, inForce), judged(process)],
    mend: mendPair(pair, (conf) => withPair(conf, key, inForce)),
  };
}

module.exports = { codes: ['conf-ignored'], check };
