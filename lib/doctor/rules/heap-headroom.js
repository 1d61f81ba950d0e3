'use strict';

const { USUAL_BESIDE_HEAP, adviseHeap } = require('../../heap-advice.js');
const { envLine, everywhere } = require('../fixes.js');
const { isLauncher, nodeProcesses, seen } = require('./shared.js');

const MIB = 2 ** 20;
const FLAG = /(--max[-_](?:old[-_]space|heap)[-_]size(?:=|\s+)"?)(\d+)/g;

/** The flag that counts: the last one, and the command line after NODE_OPTIONS. */
function flagOf({ environment, ownArguments }) {
  const sources = [
    ['NODE_OPTIONS', environment?.NODE_OPTIONS ?? ''],
    ['command line', ownArguments.join(' ')],
  ];
  const found = sources.flatMap(([source, text]) =>
    Array.from(text.matchAll(FLAG), ([flag, , size]) => ({ source, flag, bytes: size * MIB })),
  );
  return found.at(-1) ?? null;
}

/**
 * What heapgap itself adds: doctor, where a daemon was started by it and has kept it (facts/command.js), and
 * `heapgap run --govern`. In an image's environment it would break what runs before heapgap is installed.
 */
const OWN = /(?:^| )--require "(?:[^"\\]|\\.)*\/(?:lib\/doctor\/probe|heapgap\/lib\/preload)\.js"/g;

/** NODE_OPTIONS with each flag set to what fits, or with the flag added; all else stays. */
function fittingOptions({ environment }, maxOldSpaceMb) {
  const options = (environment?.NODE_OPTIONS ?? '').replace(OWN, '').trim();
  const set = options.replace(FLAG, (_, name) => `${name}${maxOldSpaceMb}`);
  if (set !== options || flagOf({ environment, ownArguments: [] })) return set;
  return `${options} --max-old-space-size=${maxOldSpaceMb}`.trim();
}

function fixLine(process, flag, maxOldSpaceMb) {
  if (maxOldSpaceMb === null) return '# raise the memory limit of the container';
  const fitting = `--max-old-space-size=${maxOldSpaceMb}`;
  if (flag?.source === 'command line') return `CMD ["node", "${fitting}", "server.js"]`;
  const line = envLine('NODE_OPTIONS', fittingOptions(process, maxOldSpaceMb));
  return line ?? `# in NODE_OPTIONS, set: ${fitting}`;
}

/**
 * `beside` is measured under load, where it is there. Of another process only the peak of RSS is known:
 * what of it V8's heap cannot have been is needed beside the heap. A process that has just started shows
 * less than it will need, so that the assumption is the least.
 */
function besideOf({ beside, peakRss }, heapLimit) {
  if (beside) return beside;
  const bound = peakRss && heapLimit ? peakRss - heapLimit : 0;
  return bound > USUAL_BESIDE_HEAP ? bound : null;
}

function judged(process, limit, processes) {
  const flag = flagOf(process);
  const heapLimit = process.heapLimit ?? flag?.bytes ?? null;
  const besideHeap = besideOf(process, heapLimit);
  return { process, flag, heapLimit, ...adviseHeap({ limit, heapLimit, besideHeap, processes }) };
}

function finding({ process, flag, heapLimit, maxOldSpaceMb, why }, limit, severity) {
  const told = flag ?? {
    source: "V8's default heap limit",
    flag: `${Math.round(heapLimit / MIB)} MB`,
  };
  return {
    code: 'heap-headroom',
    severity,
    summary: why,
    evidence: [
      seen(process, told.source, told.flag),
      { pid: null, source: 'memory limit', value: `${Math.round(limit / MIB)} MB` },
    ],
    fix: everywhere(fixLine(process, flag, maxOldSpaceMb)),
  };
}

/**
 * The workers of a cluster, or the instances of a process manager: the same script, several times.
 * Others may have run one after the other, and are judged each by itself.
 */
function groupsOf(processes) {
  const groups = new Map();
  for (const process of processes) {
    const key = process.label.includes(' ') ? process.label : process.pid;
    groups.set(key, [...(groups.get(key) ?? []), process]);
  }
  return [...groups.values()];
}

/** One that is too large by itself is an error; those that are only together may never all be full. */
function check(facts) {
  const limit = facts.host.container.memoryLimit;
  if (limit === null) return [];
  const services = nodeProcesses(facts).filter((process) => !isLauncher(facts, process));
  return groupsOf(services).flatMap((group) => {
    const alone = group.map((process) => judged(process, limit, 1));
    const shared = sharing(alone, limit);
    if (shared?.fits === false) {
      const severity = alone.some(({ fits }) => fits === false) ? 'error' : 'warning';
      return [finding(shared, limit, severity)];
    }
    const large = alone.filter(({ fits }) => fits === false);
    return large.map((each) => finding(each, limit, 'error'));
  });
}

/** Their sum, said as so many of the average; `null` where one of them is not known. */
function sharing(alone, limit) {
  if (alone.length < 2 || alone.some(({ heapLimit }) => heapLimit === null)) return null;
  const average = alone.reduce((sum, { heapLimit }) => sum + heapLimit, 0) / alone.length;
  const [{ process }] = alone;
  return judged({ ...process, heapLimit: average }, limit, alone.length);
}

module.exports = { codes: ['heap-headroom'], check };
