'use strict';

const { everywhere, namable } = require('../fixes.js');
const { insteadOf, preloading, seen } = require('./shared.js');

function check(facts) {
  return preloading(facts).flatMap((subject) =>
    subject.preload
      .filter(({ problem }) => problem === 'unreadable')
      .map(({ entry, detail }) => ({
        code: 'preload-unreadable',
        severity: 'warning',
        summary: `LD_PRELOAD names ${entry}, which cannot be read${insteadOf(subject)}`,
        evidence: [
          seen(subject, 'LD_PRELOAD', subject.environment.LD_PRELOAD),
          { pid: null, source: entry, value: detail },
        ],
        fix: everywhere(`RUN chmod a+r ${namable(entry)}`),
      })),
  );
}

module.exports = { codes: ['preload-unreadable'], check };
