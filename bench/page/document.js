'use strict';
// The words of docs/benchmarks.md and of README's part, around their tables.

const { number } = require('../documents.js');
const { killTable } = require('../governor/summary.js');
const { NOISE } = require('./summary.js');
const tables = require('./tables.js');
const { counted } = require('./words.js');

const list = (texts) => texts.map((text) => `- ${text}`).join('\n');
const image = (title, name) => `![${title}](benchmarks/${name}.svg)`;
const present = (parts) => parts.filter((part) => part !== null && part !== '');

/** In how many of all orders two contenders' rounds do not mix, as a percentage. */
function byChance(rounds) {
  let share = 2;
  for (let i = 1; i <= rounds; i++) share *= i / (rounds + i);
  return (100 * share).toFixed(0);
}

const noise = ({ rounds }) =>
  `Two figures differ beyond noise where their ranges (least to most) do not overlap and their medians differ by more than ${100 * NOISE} %. With ${counted(rounds, 'round')} each, chance alone parts the ranges of ${byChance(rounds)} in 100 comparisons.`;

function machineOf({ machine }) {
  const { cpu, cpus, memoryMb, kernel, libc, node } = machine;
  return `${cpu}, ${counted(cpus, 'CPU')}, ${number(memoryMb)} MB; ${kernel}; ${libc}; Node.js ${node}`;
}

const intro = ({ command, date, minutes, limitMb }) => [
  '<!-- made by npm run bench: an edit here is lost -->',
  '# Benchmarks',
  'heapgap began with an article about a service with a heap of 280 MB that containers of 512 MB killed: glibc kept what ' +
    'was freed. With jemalloc preloaded:',
  tables.articleTable(),
  `This page runs the experiment again, on services that are in the repository, with a memory limit of ${limitMb} MB and with smaller ones, ` +
    'and puts `heapgap run` and other allocators beside it. It says how much memory each takes at the peak and keeps after the ' +
    'load, what that costs in latency and throughput, which limits each survives, and what heapgap’s own calls cost.',
  'RSS is what the kernel counts of a process in physical memory, and the gap is RSS less V8’s heap. A memory cgroup is what gives a container its limit: the kernel ' +
    'kills a process of it that needs more. The floor is an estimate of what the service itself needs, whatever the allocator: see [how it is measured](#how-it-is-measured).',
  `All of it is made from [benchmarks.json](benchmarks.json), which \`${command}\` wrote on ${date.slice(0, 10)} in ${number(minutes)} minutes. To repeat it:`,
  [
    '```sh',
    'npm run bench             # everything',
    'npm run bench:quick       # one round of less load and fewer contenders, printed only',
    'npm run bench -- --check  # whether this page is what benchmarks.json makes',
    '```',
  ].join('\n'),
];

function headline(workload) {
  const found = tables.headlineTable(workload);
  return found === null ? [] : [`### ${workload.title}`, found];
}

const headlines = ({ rounds }, workloads) => [
  '## The article’s table, and ours',
  `Medians of ${counted(rounds, 'round')}; the change is against glibc. OOM kills are those at ` +
    'the limits at which all of a table’s contenders were run: who was killed every time at one limit was not run at smaller ones. “—”: nothing to compare, or the article has no such row.',
  ...workloads.flatMap(headline),
];

const requestsIn = (bursts) =>
  bursts.reduce((sum, { perSecond, seconds }) => sum + Math.round(perSecond * seconds), 0);

/** How many of so many take as long as the p99, or longer. */
const slowest = (requests) => requests - Math.ceil(requests * 0.99) + 1;

const requests = ({ bursts }) =>
  `${counted(requestsIn(bursts), 'request')} in a run, of which ${slowest(requestsIn(bursts))} take its p99 or longer.`;

function smallerLoad({ smallerBursts: bursts }) {
  if (bursts.length === 0) return '';
  const rates = bursts.map(({ perSecond }) => perSecond).join(', then ');
  return `Below the largest limit: ${rates} requests per s, for ${number(bursts[0].seconds)} s each.`;
}

const survival = (workload, contenders) =>
  workload.places.length < 2
    ? []
    : [
        `#### ${workload.title}: who is killed`,
        image(`Runs killed, by memory limit: ${workload.title}`, `survival-${workload.name}`),
        killTable({ free: contenders, limits: workload.places }),
        smallerLoad(workload),
      ];

const section = (workload, contenders) => [
  `### ${workload.title}: all contenders`,
  workload.about,
  tables.loadTable(workload.bursts),
  requests(workload),
  tables.fullTable(workload),
  list([...tables.failures(workload), ...tables.errors(workload)]),
  image(`RSS over time: ${workload.title}`, `rss-${workload.name}`),
  image(`Latency: ${workload.title}`, `latency-${workload.name}`),
  ...survival(workload, contenders),
];

const sections = ({ contenders }, workloads) => [
  '## By workload',
  'Median (least–most) of the rounds. V8’s heap is `heapTotal` here. “—”: there is none. p99.9 is of the requests of all rounds, and ' +
    'needs 1,000: it is about the second slowest of them. “At rest” is the minute after the load. “†”: some of the runs were killed, and those ' +
    'that survived are a selection.',
  ...workloads.flatMap((workload) => section(workload, contenders)),
];

const growth = ({ growth: all }) =>
  all.length === 0
    ? []
    : [
        '### As the process grows',
        image('What calls cost as the process grows', 'growth'),
        '`stats()` reads anew, unless that would take it too long: then its figures have an age.',
        ...all.map(tables.growthTable),
      ];

const purge = ({ purge: rows }) =>
  rows.length === 0
    ? []
    : ['### A purge', image('How long a purge takes', 'purge'), tables.purgeTable(rows)];

const service = (measured) =>
  measured === null
    ? []
    : [
        '### All of it in a service',
        `${counted(measured.windows, 'window')} of ${number(measured.windowSeconds)} s with the route polled each second and the governor on, in turn with as many ` +
          'without, under as much load as the service takes. The quotients are of neighbouring windows; “off ÷ off” is how far two differ without a reason.',
        tables.serviceTable(measured),
      ];

const cost = (measured) =>
  measured === null
    ? ['## What heapgap costs', 'Left out of this run.']
    : [
        '## What heapgap costs',
        'Median (least–most).',
        tables.callTable(measured.calls),
        ...growth(measured),
        ...purge(measured),
        ...service(measured.service),
      ];

function targets(results, workloads) {
  const { all, met, missed, open } = tables.verdicts(workloads, results.cost);
  const unsaid = open === 0 ? '' : ` ${open} could not be judged, as the table says.`;
  return [
    '## The targets',
    `Of ${all}, ${met} are met and ${missed} are MISSED.${unsaid} “No worse” and “no lower” are meant beyond noise. ${noise(results)}`,
    ...workloads.flatMap((one) => [`### ${one.title}: targets`, tables.targetTable(one)]),
    '### Cost: target',
    tables.costTargetTable(results.cost),
  ];
}

function wins(workloads) {
  const found = workloads.flatMap(tables.wins);
  return [
    '## Where another contender wins',
    'Every figure in which another contender is better than `heapgap run` and than `heapgap run --govern`, beyond noise, and every ' +
      'limit that another survives and neither of these. p99.9 and what is measured at rest are not judged: the one is a single figure, ' +
      'in the other is what else ran.',
    found.length === 0 ? 'None.' : list(found),
  ];
}

const method = ({ limitMb, rounds }) => [
  '## How it is measured',
  list([
    `Each run is a new process in a new memory cgroup of ${limitMb} MB. The load comes from outside of the group, on the same CPUs.`,
    'The load is open: requests are due at a fixed rate, whether or not earlier ones were answered. Latency counts from ' +
      'when a request was due, so a service that stalls is charged for all who waited. What failed is in no percentile; it is counted in `errors`, and ' +
      'where there are any, no latency is compared.',
    'Answers per second are counted from the beginning of each burst to its last answer. A service that keeps up answers as many as are ' +
      'due: the row tells who does not keep up, not who could do more.',
    'Peak RSS is the kernel’s own (`VmHWM`), from just before the first request. RSS over time, `heapUsed` and the gap are sampled, `heapUsed` every 100 ms: a ' +
      'peak between two samples is missed.',
    'The event loop’s delay is the longest of Node.js’s `monitorEventLoopDelay()`, less its own interval of 10 ms. In what is measured at rest is the load of the ' +
      'runs beside it, and what the benchmark’s own timers take, some 6,600 wake-ups.',
    'The floor is an estimate of what the service itself needs: RSS when it listens, of the contender that takes least, and what malloc and V8’s heap held beyond what they held ' +
      'then: at their highest under the load (peak), garbage included that V8 had not collected, and a minute after it (rest), with all garbage collected. heapgap counts ' +
      'it from inside, every 20 ms, in one run of its own under `heapgap run`. No freed page is in it, but V8 may collect earlier in another run: a peak ' +
      'can be below it.',
    'The smaller limits were chosen in trials such that some contender is killed at some of them, and `dirty_decay_ms` and `narenas` of `heapgap run` by trials of these workloads. ' +
      'There the load is shorter, and the service does not rest. No group may swap.',
    'Each round runs every contender in turn, so that whatever else the machine does falls on all. While one rests after its load, the ' +
      'next is under its own.',
    'A run counts as killed when it ended before its time. One that ended otherwise than by the kernel’s OOM killer is named ' +
      'under its table.',
    'At a limit at which every run of a contender was killed, it is not run at smaller ones.',
    noise({ rounds }),
  ]),
];

const machine = (results) => [
  '## The machine',
  `${machineOf(results)}. As \`allocator()\` answers inside each contender:`,
  tables.allocatorTable(results.machine, results.contenders),
];

/** All of docs/benchmarks.md. */
function page(results, workloads) {
  const parts = [
    ...intro(results),
    ...headlines(results, workloads),
    ...wins(workloads),
    ...targets(results, workloads),
    ...sections(results, workloads),
    ...cost(results.cost),
    ...method(results),
    ...machine(results),
  ];
  return `${present(parts).join('\n\n')}\n`;
}

/** How far the rounds of a contender are apart in p99 at most; nothing where none is known. */
function roundsApart({ contenders }) {
  const figures = contenders.flatMap(({ figures: { p99 } }) => p99 ?? []);
  const shares = figures.filter(({ median }) => median > 0);
  if (shares.length === 0) return '';
  const most = Math.max(...shares.map(({ median, min, max }) => (max - min) / median));
  return `, which differ by up to ${(100 * most).toFixed(0)} % in p99`;
}

/** What README has of it: the first workload's table. */
function summary(results, workloads) {
  const [first] = workloads;
  const found = first === undefined ? null : tables.headlineTable(first);
  const link = '[docs/benchmarks.md](docs/benchmarks.md)';
  if (found === null) return `See ${link}.`;
  return [
    `${first.title}, with a limit of ${results.limitMb} MB and with smaller ones. Changes are against glibc; on the right is what the article found that heapgap began with.`,
    found,
    `Medians of ${counted(results.rounds, 'round')}${roundsApart(first)}, on ${machineOf(results)}. ${link} has the ranges, the other workloads and allocators, where ` +
      'another one wins, and which targets are missed.',
  ].join('\n\n');
}

module.exports = { page, summary };
