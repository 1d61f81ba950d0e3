'use strict';

const { withoutPairs } = require('../conf.js');
const { mend } = require('../fixes.js');
const sentences = require('../sentences.js');
const { onJemalloc, seen } = require('./shared.js');

const KEYS = ['dirty_decay_ms', 'muzzy_decay_ms'];

/** jemalloc(3): -1 disables purging; only a call such as `purge()` gives pages back then. */
function check(facts) {
  return onJemalloc(facts).flatMap((process) => {
    const disabled = KEYS.filter((key) => process.options?.[key] === -1);
    if (disabled.length === 0) return [];
    return [
      {
        code: 'decay-disabled',
        severity: 'warning',
        summary: sentences.decayDisabled(disabled),
        evidence: disabled.map((key) => seen(process, `opt.${key}`, -1)),
        mend: mend(process, (conf) => withoutPairs(conf, ({ key }) => disabled.includes(key))),
      },
    ];
  });
}

module.exports = { codes: ['decay-disabled'], check };
