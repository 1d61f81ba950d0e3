'use strict';
// What heap profiles cost: a service, while they are possible and while one is taken; whoever takes one; and a program
// that does nothing. --quick: fewer rounds; --only: service, dump, idle, with commas.

const os = require('node:os');
const path = require('node:path');
const { parseArgs } = require('node:util');

const { repeat, runChild } = require('./child.js');
const { cleanUp } = require('./process.js');
const { measureIdle } = require('./profiler/idle.js');
const { judge } = require('./profiler/judge.js');
const { measureService } = require('./profiler/service.js');
const { NAMED } = require('./profiler/ways.js');
const { atLeast, atMost, progress: say, report, row } = require('./report.js');
const { median } = require('./statistics.js');

const { values: options } = parseArgs({
  options: { quick: { type: 'boolean', default: false }, only: { type: 'string' } },
});

const ROUNDS = options.quick
  ? { service: 2, warmUp: 1, seconds: 1, dump: 2, dumps: 4, idle: 5 }
  : { service: 12, warmUp: 2, seconds: 3, dump: 5, dumps: 10, idle: 41 };

const GB = 1e9;
const STACKS = 300;
const MOST_DUMP_MS = 2000;
/** ARCHITECTURE.md, invariant 3. */
const MOST_HOLD_MS = 1;

const TARGETS = { again: undefined, possible: 0.99, active: 0.95, named: 0.9 };
const SAYS = {
  again: 'without, once more (noise)',
  possible: 'possible, not active',
  active: 'active',
  named: 'active, with names for JavaScript',
};

/** A row whose target is met only where that is not noise. */
function judged(name, values, unit, target, bias) {
  const plain = row(name, values, unit, target);
  return target ? { ...plain, met: judge(values, target, bias) } : plain;
}

async function serviceRows() {
  const { service: count, warmUp, seconds } = ROUNDS;
  const rounds = await measureService({ rounds: count, warmUp, seconds, say });
  /** What each state has of `figure`, in those of the process beside it. */
  const compared = (title, figure, targetOf) => {
    const ratios = (name) =>
      rounds.map(({ [name]: { held, without } }) => held[figure] / without[figure]);
    const bias = Math.abs(median(ratios('again')) - 1);
    return Object.entries(SAYS).map(([name, says]) => {
      const target = TARGETS[name] && targetOf(TARGETS[name]);
      return judged(`${title}, ${says}`, ratios(name), '×', target, bias);
    });
  };
  const alone = rounds.flatMap((round) => Object.values(round).map(({ without }) => without));
  return [
    row(
      'service without, half a CPU: throughput',
      alone.map(({ perSecond }) => perSecond),
      '/s',
    ),
    ...compared('throughput', 'perSecond', atLeast),
    ...compared('CPU per request', 'cpuMs', (target) => atMost(Number((2 - target).toFixed(2)))),
  ];
}

async function dumpRows() {
  const found = await repeat(ROUNDS.dump, (round) => {
    say(`dump: process ${round} of ${ROUNDS.dump} …`);
    const script = path.join('profiler', 'dump.js');
    return runChild(script, [GB, STACKS, ROUNDS.dumps], { words: NAMED });
  });
  const each = (figure) => found.map((process) => process[figure]);
  const dumps = each('dumps').flat();
  const formats = [...new Set(dumps.map(({ format }) => format))].sort();
  const rowsOf = (format) => {
    const own = dumps.filter((dump) => dump.format === format);
    const of = (figure) => own.map((dump) => dump[figure]);
    const more = own.map(({ heldMs, quietHeldMs }) => heldMs - quietHeldMs);
    return [
      row(`${format}: takes`, of('durationMs'), 'ms', atMost(MOST_DUMP_MS)),
      row(`${format}: size`, of('kilobytes'), 'kB'),
      row(`${format}: longest turn of the event loop`, of('delayMs'), 'ms'),
      row(`${format}: longest hold, without the scheduler's`, of('heldMs'), 'ms'),
      row(`${format}: such a hold in as long without a profile`, of('quietHeldMs'), 'ms'),
      judged(`${format}: more than that`, more, 'ms', atMost(MOST_HOLD_MS)),
    ];
  };
  return [
    row('live', each('allocatedMb'), 'MiB'),
    row('of it blocks, by the profile', each('sampledMb'), 'MiB'),
    row('stacks in the profile', each('sampledStacks'), ''),
    ...formats.flatMap(rowsOf),
  ];
}

const IDLE = { possible: 'a profile possible', named: 'with names for JavaScript' };

async function idleRows() {
  const rounds = await measureIdle({ rounds: ROUNDS.idle, say });
  const each = (of) => rounds.map(of);
  const more = (name) => [
    row(
      `start, ${IDLE[name]}: more`,
      each((ways) => ways[name].ms - ways.without.ms),
      'ms',
    ),
    row(
      `RSS, ${IDLE[name]}: more`,
      each((ways) => (ways[name].rssMb - ways.without.rssMb) * 1024),
      'KiB',
    ),
  ];
  return [
    row(
      'empty program without: start to end',
      each((ways) => ways.without.ms),
      'ms',
    ),
    row(
      'empty program without: RSS',
      each((ways) => ways.without.rssMb),
      'MiB',
    ),
    ...more('possible'),
    ...more('named'),
  ];
}

const PARTS = { service: serviceRows, dump: dumpRows, idle: idleRows };

async function main() {
  const names = options.only?.split(',') ?? Object.keys(PARTS);
  const unknown = names.find((name) => !Object.hasOwn(PARTS, name));
  if (unknown !== undefined) throw new Error(`--only knows no ${unknown}`);
  say(`load of the machine before: ${os.loadavg()[0].toFixed(1)}; what others do on it is noise`);
  const rows = [];
  for (const name of names) rows.push(...(await PARTS[name]()));
  report('profiler', rows);
}

main().catch(async (error) => {
  console.error(`profiler: ${error.message}`);
  await cleanUp();
  process.exit(1);
});
