'use strict';

const { everywhere } = require('../fixes.js');
const { nodeProcesses, seen } = require('./shared.js');

const preloadsAllocator = ({ preload }) => preload.some(({ allocator }) => allocator);

/** The nearest process above that had the variables, or the environment that was given. */
function origin(facts, process, has) {
  const byPid = new Map([...facts.ancestors, ...facts.processes].map((each) => [each.pid, each]));
  const visited = new Set();
  let above = byPid.get(process.ppid);
  while (above && !visited.has(above)) {
    if (above.environment && has(above)) return above;
    visited.add(above);
    above = byPid.get(above.ppid);
  }
  return facts.given && has(facts.given) ? facts.given : null;
}

function lostPreload(facts, process) {
  if (preloadsAllocator(process) || process.allocator?.name === 'jemalloc') return [];
  const above = origin(facts, process, preloadsAllocator);
  return above ? [finding('error', 'LD_PRELOAD', process, above)] : [];
}

function lostConf(facts, process) {
  if (process.environment.MALLOC_CONF || process.allocator?.name !== 'jemalloc') return [];
  const above = origin(facts, process, ({ environment }) => environment.MALLOC_CONF);
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
