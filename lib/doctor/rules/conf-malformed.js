'use strict';

const { mallocConf } = require('../fixes.js');
const { configured, seen } = require('./shared.js');

/** jemalloc stops reading there: what follows is ignored, what came before holds. */
function check(facts) {
  return configured(facts).flatMap(({ process, sources }) =>
    sources
      .filter(({ malformed }) => malformed)
      .map(({ source, text, pairs, malformed, rest }) => ({
        code: 'conf-malformed',
        severity: rest === ',' ? 'warning' : 'error',
        summary: `${source} is malformed: ${malformed}${rest === ',' ? '' : '; jemalloc reads no further'}`,
        evidence: [seen(process, source, text)],
        fix: mallocConf(pairs.map((pair) => pair.text).join(',')),
      })),
  );
}

module.exports = { codes: ['conf-malformed'], check };
