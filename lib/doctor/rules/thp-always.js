'use strict';

const { withPair } = require('../conf.js');
const { mend } = require('../fixes.js');
const { onJemalloc, seen } = require('./shared.js');

/**
 * The kernel backs freed pages with huge ones again (khugepaged), so that a purge does not last
 * (the kernel's admin-guide/mm/transhuge.rst).
 */
function check(facts) {
  if (facts.host.container.thp !== 'always') return [];
  return onJemalloc(facts)
    .filter(({ options, thpEnabled }) => options && options.thp !== 'never' && thpEnabled)
    .map((process) => ({
      code: 'thp-always',
      severity: 'warning',
      summary:
        'the kernel uses transparent huge pages everywhere: what jemalloc gives back, the kernel fills again',
      evidence: [
        { pid: null, source: '/sys/kernel/mm/transparent_hugepage/enabled', value: 'always' },
        seen(process, 'opt.thp', process.options.thp),
      ],
      mend: mend(process, (conf) => withPair(conf, 'thp', 'never')),
    }));
}

module.exports = { codes: ['thp-always'], check };
