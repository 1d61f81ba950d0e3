'use strict';

const { everywhere, namable } = require('../fixes.js');
const sentences = require('../sentences.js');
const { nodeProcesses, seen } = require('./shared.js');

/** One serves malloc; the other takes memory and threads, and its tools report nothing. */
function check(facts) {
  return nodeProcesses(facts).flatMap((process) => {
    const mapped = (process.mapped ?? []).filter(({ malloc }) => malloc !== false);
    if (mapped.length < 2) return [];
    const live = process.allocator;
    const serving = live?.library ?? live?.name ?? 'one of them';
    const how = process.proof === 'probe' ? 'proven by an allocation' : 'by its order';
    const keep = mapped.find(({ file }) => file === live?.library) ?? mapped[0];
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
        fix: everywhere(`ENV LD_PRELOAD=${namable(keep.file)}`),
      },
    ];
  });
}

module.exports = { codes: ['two-allocators'], check };
