'use strict';

const { everywhere } = require('../fixes.js');
const { isTakenOff, nodeProcesses, originOf, preloadsAllocator, seen } = require('./shared.js');

function lostPreload(facts, process) {
  if (preloadsAllocator(process) || process.allocator?.name === 'jemalloc') return [];
  const above = originOf(facts, process, preloadsAllocator);
  const severity = isTakenOff(facts, process) ? 'info' : 'error';
  return above ? [finding(severity, 'LD_PRELOAD', process, above)] : [];
}

function lostConf(facts, process) {
  if (process.environment.MALLOC_CONF || process.allocator?.name !== 'jemalloc') return [];
  const above = originOf(facts, process, ({ environment }) => environment.MALLOC_CONF);
  return above ? [finding('warning', 'MALLOC_CONF', process, above)] : [];
}

function finding(severity, variable, process, above) {
  const live = process.allocator?.name ?? 'another allocator';
  const effect = variable === 'LD_PRELOAD' ? `; ${live} serves malloc there` : '';
  const from = above.pid ? `process ${above.pid} (${above.label})` : 'the environment';
  return {
    code: 'environment-lost',
    severity,
    summary: `${variable} of ${from} is lost on the way to ${process.label}${effect}`,
    evidence: [
      seen(above, variable, above.environment[variable]),
      seen(process, variable, process.environment[variable] ?? '(not set)'),
    ],
    fix: everywhere(
      '# what starts it must pass the variable on (env -i, sudo, su -l and cron do not), or start it so:',
      'node_modules/.bin/heapgap run -- node server.js',
    ),
  };
}

function check(facts) {
  return nodeProcesses(facts)
    .filter(({ environment }) => environment)
    .flatMap((process) => [...lostPreload(facts, process), ...lostConf(facts, process)]);
}

module.exports = { codes: ['environment-lost'], check };
