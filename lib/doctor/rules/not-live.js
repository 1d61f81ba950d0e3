'use strict';

const { useJemalloc } = require('../fixes.js');
const sentences = require('../sentences.js');
const {
  isForeign,
  isJemalloc,
  isLauncher,
  isTakenOff,
  nodeProcesses,
  originOf,
  otherLibraries,
  preloadFix,
  preloadsAllocator,
  seen,
} = require('./shared.js');

/** What another rule names the cause of. */
function isExplained(process) {
  if (process.secure) return true;
  if (process.mapped?.some(isJemalloc) && process.mapped.length > 1) return true;
  const wanted = process.preload.filter(isJemalloc);
  return (
    wanted.length > 0 &&
    wanted.every((entry) => entry.problem !== null || isForeign(process, entry))
  );
}

function check(facts) {
  return nodeProcesses(facts).flatMap((process) => {
    const { allocator, environment, preload } = process;
    const live = allocator?.name;
    if (!live || live === 'jemalloc' || live === 'unknown' || isExplained(process)) return [];
    const preloaded = preload.filter(isJemalloc);
    if (preloaded.length > 0) return [unanswered(facts, process, preloaded)];
    if (!environment?.MALLOC_CONF || isLauncher(facts, process)) return [];
    // Lost on the way, which another rule says.
    const lost = !preloadsAllocator(process) && originOf(facts, process, preloadsAllocator);
    return lost ? [] : [unread(facts, process)];
  });
}

/** LD_PRELOAD is in order, as far as can be seen, and jemalloc is not live. */
function unanswered(facts, process, preloaded) {
  const bringsNone = preloaded.find(({ malloc }) => malloc === false);
  const why = bringsNone
    ? `${bringsNone.entry} exports no malloc`
    : 'the variable may have been set after the process started, or the program is linked statically';
  return finding('error', {
    summary: sentences.notLive(process.allocator.name, why),
    evidence: [
      seen(process, 'LD_PRELOAD', process.environment.LD_PRELOAD),
      ...process.allocator.evidence.map((line) => seen(process, 'allocator', line)),
    ],
    fix: preloadFix(facts, process, preloaded[0]),
  });
}

/** Options for an allocator that nothing loads. */
function unread(facts, process) {
  return finding(isTakenOff(facts, process) ? 'info' : 'warning', {
    summary: sentences.confUnread(process.allocator.name),
    evidence: [
      seen(process, 'MALLOC_CONF', process.environment.MALLOC_CONF),
      seen(process, 'LD_PRELOAD', process.environment.LD_PRELOAD ?? '(not set)'),
    ],
    fix: useJemalloc(facts.host, { others: otherLibraries(process) }),
  });
}

const finding = (severity, rest) => ({ code: 'not-live', severity, ...rest });

module.exports = { codes: ['not-live'], check };
