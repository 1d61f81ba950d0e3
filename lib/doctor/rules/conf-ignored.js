'use strict';

const { withPair } = require('../conf.js');
const { mend } = require('../fixes.js');
const sentences = require('../sentences.js');
const { configured, judged, pairsOf, seen } = require('./shared.js');

/** The number that jemalloc reads (malloc_strtoumax: a leading 0 means octal, 0x hexadecimal). */
function numberOf(value) {
  if (/^[+-]?0[0-7]+$/.test(value)) return Number.parseInt(value, 8);
  return /^[+-]?(0x[0-9a-f]+|\d+)$/i.test(value) ? Number(value) : null;
}

function agrees(asked, inForce) {
  if (typeof inForce === 'number') return numberOf(asked) === inForce;
  return asked === String(inForce);
}

/** jemalloc says nothing when it clips a value, and when the kernel lacks what an option needs. */
function check(facts) {
  return configured(facts).flatMap((subject) => {
    const { process, complaints } = subject;
    const last = new Map(pairsOf(subject).map((pair) => [pair.key, pair]));
    const untried = process.leftOut ?? [];
    return [...last.values()]
      .filter(({ key }) => !untried.includes(key))
      .filter(({ key, value, text }) => {
        const inForce = process.options?.[key] ?? null;
        const complained = complaints.some((line) => line.endsWith(`: ${text}`));
        return inForce !== null && value !== 'default' && !complained && !agrees(value, inForce);
      })
      .map((pair) => finding(process, pair));
  });
}

function finding(process, { key, text, source }) {
  const inForce = process.options[key];
  return {
    code: 'conf-ignored',
    severity: 'warning',
    summary: sentences.confIgnored(source, text, key, inForce),
    evidence: [seen(process, source, text), seen(process, `opt.${key}`, inForce), judged(process)],
    mend: mend(process, (conf) => withPair(conf, key, inForce)),
  };
}

module.exports = { codes: ['conf-ignored'], check };
