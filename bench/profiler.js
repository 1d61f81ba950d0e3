'use strict';
// What heap profiles cost: a service, while they are possible and while one is taken; whoever takes one; and a program
// that does nothing. --quick: fewer rounds; --only: service, dump, idle, with commas.

const path = require('node:path');
const { parseArgs } = require('node:util');

const { repeat, runChild } = require('./child.js');
const { cleanUp } = require('./process.js');
const { measureIdle } = require('./profiler/idle.js');
const { measureService } = require('./profiler/service.js');
const { NAMED } = require('./profiler/ways.js');
const { atLeast, atMost, progress: say, report, row } = require('./report.js');

const { values: options } = parseArgs({
  options: { quick: { type: 'boolean', default: false }, only: { type: 'string' } },
});

const ROUNDS = options.quick
  ? { service: 2, warmUp: 1, seconds: 1, dump: 2, idle: 5 }
  : { service: 12, warmUp: 2, seconds: 3, dump: 5, idle: 41 };

const GB = 1e9;
const STACKS = 300;
/** ARCHITECTURE.md, invariant 3. */
const MOST_HOLD_MS = 1;

const TARGETS = { again: undefined, possible: 0.99, active: 0.95, named: 0.9 };
const SAYS = {
  again: 'without, once more (noise)',
  possible: 'possible, not active',
  active: 'active',
  named: 'active, with names for JavaScript',
};

async function serviceRows() {
  const { service: count, warmUp, seconds } = ROUNDS;
  const rounds = await measureService({ rounds: count, warmUp, seconds, say });
  const ratios = (name, figure) =>
    rounds.map(({ [name]: { held, without } }) => held[figure] / without[figure]);
  const target = (name) => (TARGETS[name] ? atLeast(TARGETS[name]) : undefined);
  const alone = rounds.flatMap((round) => Object.values(round).map(({ without }) => without));
  return [
    row(
      'service without, half a CPU: throughput',
      alone.map(({ perSecond }) => perSecond),
      '/s',
    ),
    ...Object.keys(SAYS).map((name) =>
      row(`throughput, ${SAYS[name]}`, ratios(name, 'perSecond'), '×', target(name)),
    ),
    ...Object.keys(SAYS).map((name) =>
      row(`CPU per request, ${SAYS[name]}`, ratios(name, 'cpuMs'), '×'),
    ),
  ];
}

async function dumpRows() {
  const found = await repeat(ROUNDS.dump, (round) => {
    say(`dump: round ${round} of ${ROUNDS.dump} …`);
    return runChild(path.join('profiler', 'dump.js'), [GB, STACKS], { words: NAMED });
  });
  const each = (format, figure) => found.map(({ dumps }) => dumps[format][figure]);
  const idle = found.map(({ idleMs }) => idleMs);
  const formats = Object.keys(found[0].dumps);
  return [
    row(
      'live',
      found.map(({ allocatedMb }) => allocatedMb),
      'MiB',
    ),
    ...formats.map((format) => row(`${format}: takes`, each(format, 'ms'), 'ms', atMost(2000))),
    ...formats.map((format) => row(`${format}: size`, each(format, 'kilobytes'), 'kB')),
    row('longest hold of the event loop, no profile', idle, 'ms'),
    ...formats.map((format) =>
      row(`longest hold, ${format}`, each(format, 'longestMs'), 'ms', atMost(MOST_HOLD_MS)),
    ),
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
  const rows = [];
  for (const name of names) rows.push(...(await PARTS[name]()));
  report('profiler', rows);
}

main().catch(async (error) => {
  console.error(`profiler: ${error.message}`);
  await cleanUp();
  process.exit(1);
});
