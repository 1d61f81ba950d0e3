'use strict';

const { useJemalloc } = require('../fixes.js');
const sentences = require('../sentences.js');
const { preloading, seen } = require('./shared.js');

/** ld.so says so on stderr and starts the program all the same; musl says nothing. */
function check(facts) {
  return preloading(facts).flatMap((subject) =>
    subject.preload
      .filter(({ problem }) => problem === 'missing')
      .map(({ entry, allocator }) => ({
        code: 'preload-missing',
        severity: allocator ? 'error' : 'warning',
        summary: sentences.missing(entry, allocator && subject.allocator?.name),
        evidence: [seen(subject, 'LD_PRELOAD', subject.environment.LD_PRELOAD)],
        fix: useJemalloc(facts.host),
      })),
  );
}

module.exports = { codes: ['preload-missing'], check };
