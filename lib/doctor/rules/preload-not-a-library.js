'use strict';

const { useJemalloc } = require('../fixes.js');
const sentences = require('../sentences.js');
const { preloading, seen } = require('./shared.js');

function check(facts) {
  return preloading(facts).flatMap((subject) =>
    subject.preload
      .filter(({ problem }) => problem === 'not-a-library')
      .map(({ entry, detail }) => ({
        code: 'preload-not-a-library',
        severity: 'error',
        summary: sentences.notALibrary(entry, subject.allocator?.name),
        evidence: [
          seen(subject, 'LD_PRELOAD', subject.environment.LD_PRELOAD),
          { pid: null, source: entry, value: detail },
        ],
        fix: useJemalloc(facts.host),
      })),
  );
}

module.exports = { codes: ['preload-not-a-library'], check };
