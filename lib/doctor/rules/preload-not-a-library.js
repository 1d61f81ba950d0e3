'use strict';

const sentences = require('../sentences.js');
const { preloadFix, preloading, seen, severityOf } = require('./shared.js');

function check(facts) {
  return preloading(facts).flatMap((subject) =>
    subject.preload
      .filter(({ problem }) => problem === 'not-a-library')
      .map((each) => ({
        code: 'preload-not-a-library',
        severity: severityOf(subject, each),
        summary: sentences.notALibrary(each.entry, subject.allocator?.name),
        evidence: [
          seen(subject, 'LD_PRELOAD', subject.environment.LD_PRELOAD),
          { pid: null, source: each.entry, value: each.detail },
        ],
        fix: preloadFix(facts, subject, each),
      })),
  );
}

module.exports = { codes: ['preload-not-a-library'], check };
