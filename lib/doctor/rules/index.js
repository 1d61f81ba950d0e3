'use strict';
// The rules, in the order in which their findings are shown among those of the same severity.

const { withMends } = require('../fixes.js');

const RULES = [
  require('./preload-missing.js'),
  require('./preload-unreadable.js'),
  require('./preload-not-a-library.js'),
  require('./preload-wrong-architecture.js'),
  require('./preload-wrong-libc.js'),
  require('./preload-path.js'),
  require('./secure-execution.js'),
  require('./environment-lost.js'),
  require('./not-live.js'),
  require('./two-allocators.js'),
  // First of its kind: what mends the other options reads no further than jemalloc does.
  require('./conf-malformed.js'),
  require('./conf-unknown.js'),
  require('./conf-invalid.js'),
  require('./conf-ignored.js'),
  require('./conf-repeated.js'),
  require('./etc-malloc-conf.js'),
  require('./narenas-high.js'),
  require('./background-thread-off.js'),
  require('./decay-disabled.js'),
  require('./thp-always.js'),
  require('./heap-headroom.js'),
  require('./addon-missing.js'),
  require('./libc-serves.js'),
];

const SEVERITIES = ['error', 'warning', 'info'];

/** How many places a finding names. */
const MAX_EVIDENCE = 12;

/** The same thing seen in several processes is one finding. */
function mergeAlike(findings) {
  const merged = new Map();
  for (const finding of findings) {
    const key = `${finding.code} ${finding.summary}`;
    const known = merged.get(key);
    if (!known) merged.set(key, { ...finding, evidence: [...finding.evidence] });
    else known.evidence.push(...finding.evidence.filter((each) => !isIn(known.evidence, each)));
  }
  for (const finding of merged.values()) finding.evidence.splice(MAX_EVIDENCE);
  return [...merged.values()];
}

const isIn = (list, { source, value }) =>
  list.some((each) => each.source === source && each.value === value);

/** Facts in, findings out, the worst first. */
function judge(facts, rules = RULES) {
  const findings = mergeAlike(withMends(rules.flatMap(({ check }) => check(facts))));
  return SEVERITIES.flatMap((severity) => findings.filter((each) => each.severity === severity));
}

module.exports = { RULES, judge };
