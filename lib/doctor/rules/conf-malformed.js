'use strict';

const { wellFormed } = require('../conf.js');
const { mendPair } = require('../fixes.js');
const sentences = require('../sentences.js');
const { configured, seen } = require('./shared.js');

/** jemalloc stops reading there: what follows is ignored, what came before holds. */
function check(facts) {
  return configured(facts).flatMap(({ process, sources }) =>
    sources
      .filter(({ malformed }) => malformed)
      .map(({ source, text, malformed, rest }) => ({
        code: 'conf-malformed',
        severity: rest === ',' ? 'warning' : 'error',
        summary: sentences.confMalformed(source, malformed, rest),
        evidence: [seen(process, source, text)],
        mend: mendPair({ source, conf: text }, wellFormed),
      })),
  );
}

module.exports = { codes: ['conf-malformed'], check };
