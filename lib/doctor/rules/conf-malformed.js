'use strict';

const { wellFormed } = require('../conf.js');
const { mend } = require('../fixes.js');
const { configured, seen } = require('./shared.js');

/** jemalloc stops reading there: what follows is ignored, what came before holds. */
function check(facts) {
  return configured(facts).flatMap(({ process, sources }) =>
    sources
      .filter(({ malformed }) => malformed)
      .map(({ source, text, malformed, rest }) => ({
        code: 'conf-malformed',
        severity: rest === ',' ? 'warning' : 'error',
        summary: `${source} is malformed: ${malformed}${rest === ',' ? '' : '; jemalloc reads no further'}`,
        evidence: [seen(process, source, text)],
        mend: mend(process, wellFormed),
      })),
  );
}

module.exports = { codes: ['conf-malformed'], check };
