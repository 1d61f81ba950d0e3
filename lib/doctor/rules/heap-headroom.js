'use strict';

const { adviseHeap } = require('../../heap-advice.js');
const { everywhere, isHarmless } = require('../fixes.js');
const { nodeProcesses, seen } = require('./shared.js');

const MIB = 2 ** 20;
const FLAG = /--max[-_](?:old[-_]space|heap)[-_]size(?:=|\s+)"?(\d+)/g;

/** The flag that counts: the last one, and the command line after NODE_OPTIONS. */
function flagOf({ environment, ownArguments }) {
  const sources = [
    ['NODE_OPTIONS', environment?.NODE_OPTIONS ?? ''],
    ['command line', ownArguments.join(' ')],
  ];
  const found = sources.flatMap(([source, text]) =>
    Array.from(text.matchAll(FLAG), ([flag, size]) => ({ source, flag, bytes: size * MIB })),
  );
  return found.at(-1) ?? null;
}

function fixLine({ environment }, flag, maxOldSpaceMb) {
  if (maxOldSpaceMb === null) return '# raise the memory limit of the container';
  const fitting = `--max-old-space-size=${maxOldSpaceMb}`;
  if (flag?.source === 'command line') return `CMD ["node", "${fitting}", "server.js"]`;
  const words = (environment?.NODE_OPTIONS ?? '').replace(FLAG, '').split(/\s+/);
  const others = words.filter((word) => word !== '' && isHarmless(word));
  return `ENV NODE_OPTIONS="${[...others, fitting].join(' ')}"`;
}

function check(facts) {
  const limit = facts.host.container.memoryLimit;
  if (limit === null) return [];
  return nodeProcesses(facts).flatMap((process) => {
    const flag = flagOf(process);
    const heapLimit = process.heapLimit ?? flag?.bytes ?? null;
    const { fits, maxOldSpaceMb, why } = adviseHeap({ limit, heapLimit });
    if (fits !== false) return [];
    const told = flag ?? {
      source: "V8's default heap limit",
      flag: `${Math.round(heapLimit / MIB)} MB`,
    };
    return [
      {
        code: 'heap-headroom',
        severity: 'error',
        summary: why,
        evidence: [
          seen(process, told.source, told.flag),
          { pid: null, source: 'memory limit', value: `${Math.round(limit / MIB)} MB` },
        ],
        fix: everywhere(fixLine(process, flag, maxOldSpaceMb)),
      },
    ];
  });
}

module.exports = { codes: ['heap-headroom'], check };
