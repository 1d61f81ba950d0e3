'use strict';

const { withLastPairs } = require('../conf.js');
const { mendPair } = require('../fixes.js');
const { configured, seen } = require('./shared.js');

/** jemalloc reads from left to right, and the last one wins (jemalloc(3), TUNING). */
function check(facts) {
  return configured(facts).flatMap(({ process, sources }) =>
    sources.flatMap(({ source, text, pairs }) => {
      const last = new Map(pairs.map((pair) => [pair.key, pair]));
      const repeated = [...last.values()].filter(
        ({ key }) => pairs.filter((pair) => pair.key === key).length > 1,
      );
      return repeated.map(({ key, value }) => ({
        code: 'conf-repeated',
        severity: 'warning',
        summary: `${source} sets ${key} more than once; the last one wins: ${value}`,
        evidence: [seen(process, source, text)],
        mend: mendPair({ source, conf: text }, withLastPairs),
      }));
    }),
  );
}

module.exports = { codes: ['conf-repeated'], check };
