'use strict';

const sentences = require('../sentences.js');
const { preloadFix, preloading, seen, severityOf } = require('./shared.js');

/** ld.so says so on stderr and starts the program all the same; musl says nothing. */
function check(facts) {
  return preloading(facts).flatMap((subject) =>
    subject.preload
      .filter(({ problem }) => problem === 'missing')
      .map((each) => ({
        code: 'preload-missing',
        severity: severityOf(subject, each),
        summary: sentences.missing(each.entry, each.allocator && subject.allocator?.name),
        evidence: [seen(subject, 'LD_PRELOAD', subject.environment.LD_PRELOAD)],
        fix: preloadFix(facts, subject, each),
      })),
  );
}

module.exports = { codes: ['preload-missing'], check };
