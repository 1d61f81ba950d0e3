'use strict';

const { everywhere, preloadLine } = require('../fixes.js');
const sentences = require('../sentences.js');
const { isJemalloc, nodeProcesses, otherLibraries, seen } = require('./shared.js');

/** One serves malloc; the other takes memory and threads, and its tools report nothing. */
function check(facts) {
  return nodeProcesses(facts).flatMap((process) => {
    const mapped = (process.mapped ?? []).filter(({ malloc }) => malloc !== false);
    if (mapped.length < 2) return [];
    const live = process.allocator;
    const serving = live?.library ?? live?.name ?? 'one of them';
    const how = process.proof === 'probe' ? 'proven by an allocation' : 'by its order';
    return [
      {
        code: 'two-allocators',
        severity: 'warning',
        summary: `${sentences.twoAllocators(
          mapped.map(({ file }) => file),
          serving,
        )} (${how})`,
        evidence: [
          seen(process, 'LD_PRELOAD', process.environment?.LD_PRELOAD ?? '(not set)'),
          ...mapped.map(({ file }) => seen(process, 'maps', file)),
        ],
        fix: everywhere(preloadLine(oneOf(process, meant(process, mapped)))),
      },
    ];
  });
}

/** What serves; but who sets MALLOC_CONF means jemalloc. */
function meant({ allocator, environment }, mapped) {
  // The library may be known by a link to what is mapped.
  const serving =
    mapped.find(({ file }) => file === allocator?.library) ??
    mapped.find((each) => each.allocator === allocator?.name) ??
    mapped[0];
  if (isJemalloc(serving) || !environment?.MALLOC_CONF) return serving;
  return mapped.find(isJemalloc) ?? serving;
}

/** LD_PRELOAD with that allocator alone, first, and all else that is in it. */
function oneOf(process, { file, allocator }) {
  const alike = process.preload.filter((each) => each.allocator === allocator);
  // An entry may be a link to what is mapped.
  const kept = alike.find((each) => each.file === file) ?? alike[0];
  return [kept?.entry ?? file, ...otherLibraries(process)];
}

module.exports = { codes: ['two-allocators'], check };
