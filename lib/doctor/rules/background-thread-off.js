'use strict';

const { withPair } = require('../conf.js');
const { mend } = require('../fixes.js');
const sentences = require('../sentences.js');
const { onJemalloc, seen } = require('./shared.js');

/**
 * Without them a thread gives its dirty pages back while it allocates or frees (jemalloc(3),
 * opt.dirty_decay_ms): a service that falls idle after a burst keeps them.
 */
function check(facts) {
  return onJemalloc(facts)
    .filter(
      ({ options, backgroundThreads }) =>
        options?.background_thread === false && !backgroundThreads,
    )
    .map((process) => ({
      code: 'background-thread-off',
      severity: 'warning',
      summary: sentences.backgroundThreadOff,
      evidence: [
        seen(process, 'opt.background_thread', false),
        seen(process, 'MALLOC_CONF', process.environment?.MALLOC_CONF ?? '(not set)'),
      ],
      mend: mend(process, (conf) => withPair(conf, 'background_thread', 'true')),
    }));
}

module.exports = { codes: ['background-thread-off'], check };
