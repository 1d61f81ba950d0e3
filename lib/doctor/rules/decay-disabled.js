'use strict';

const { parseConf, withPair, withoutPairs } = require('../conf.js');
const { mend } = require('../fixes.js');
const sentences = require('../sentences.js');
const { onJemalloc, seen } = require('./shared.js');

/** And jemalloc's defaults, in milliseconds. */
const KEYS = { dirty_decay_ms: 10000, muzzy_decay_ms: 0 };

/** jemalloc(3): -1 disables purging; only a call such as `purge()` gives pages back then. */
function check(facts) {
  return onJemalloc(facts).flatMap((process) => {
    const disabled = Object.keys(KEYS).filter((key) => process.options?.[key] === -1);
    if (disabled.length === 0) return [];
    return [
      {
        code: 'decay-disabled',
        severity: 'warning',
        summary: sentences.decayDisabled(disabled),
        evidence: disabled.map((key) => seen(process, `opt.${key}`, -1)),
        mend: mend(process, (conf) =>
          disabled.reduce((text, key) => enabled(text, key, facts), conf),
        ),
      },
    ];
  });
}

const has = (text, key) => parseConf(text).pairs.some((pair) => pair.key === key);

/** Without the pair the default holds, where nothing else has set it. */
function enabled(conf, key, { host: { etcMallocConf } }) {
  if (has(conf, key) && !has(etcMallocConf ?? '', key))
    return withoutPairs(conf, (pair) => pair.key === key);
  return withPair(conf, key, KEYS[key]);
}

module.exports = { codes: ['decay-disabled'], check };
