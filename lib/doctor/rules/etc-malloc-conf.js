'use strict';

const { parseConf } = require('../conf.js');
const { everywhere } = require('../fixes.js');
const { onJemalloc, seen } = require('./shared.js');

/** jemalloc(3), TUNING: what the link points to is read first; MALLOC_CONF wins, key by key. */
function check(facts) {
  const text = facts.host.etcMallocConf;
  if (!text) return [];
  return onJemalloc(facts).flatMap((process) => {
    const { pairs } = parseConf(process.environment?.MALLOC_CONF ?? '');
    const taken = new Set(pairs.map(({ key }) => key));
    const inForce = parseConf(text).pairs.filter(({ key }) => !taken.has(key));
    if (inForce.length === 0) return [];
    const list = inForce.map((pair) => pair.text).join(',');
    return [
      {
        code: 'etc-malloc-conf',
        severity: 'warning',
        summary: `/etc/malloc.conf sets ${list}, which no variable of the service shows`,
        evidence: [
          { pid: null, source: '/etc/malloc.conf', value: text },
          seen(process, 'MALLOC_CONF', process.environment?.MALLOC_CONF ?? '(not set)'),
        ],
        fix: everywhere('RUN rm /etc/malloc.conf'),
      },
    ];
  });
}

module.exports = { codes: ['etc-malloc-conf'], check };
