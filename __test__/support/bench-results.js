'use strict';
// Made-up results of npm run bench, of the shape of bench/page/results.d.ts.

const { contenders } = require('../../bench/contenders.js');

const NAMES = ['glibc', 'arena-max-2', 'article', 'mimalloc', 'tcmalloc', 'run', 'run --govern'];
const BURSTS = [
  { perSecond: 200, seconds: 10, idleSeconds: 5 },
  { perSecond: 200, seconds: 10, idleSeconds: 5 },
];

/** Peak, and RSS 15 s and 60 s after, of each contender in its first round. */
const MEMORY = {
  glibc: [400, 300, 290],
  'arena-max-2': [360, 250, 245],
  article: [330, 200, 150],
  mimalloc: [340, 220, 200],
  tcmalloc: [350, 310, 300],
  run: [270, 150, 115],
  'run --govern': [250, 140, 110],
};

const around = (median, share = 0.01) => ({
  median,
  min: median * (1 - share),
  max: median * (1 + share),
});

/** RSS in bursts that rise to the peak and fall, one sample each half second. */
function seriesOf([peak, after, rest], seconds) {
  const at = (second) => {
    if (second > 25) return rest + (after - rest) * Math.exp((25 - second) / 20);
    const inBurst = second % 15;
    return inBurst < 10 ? 60 + (peak - 60) * Math.min(1, inBurst / 3) : peak * 0.9;
  };
  return Array.from({ length: seconds * 2 }, (_, i) => [i / 2, Math.round(at(i / 2) * 10) / 10]);
}

/** A run that survived; each round differs by a hundredth. */
function runOf(name, round) {
  const [peak, after, rest] = MEMORY[name].map((mb) => mb * (1 + round / 100));
  const slow = 1 + NAMES.indexOf(name) / 50 + round / 200;
  return {
    outcome: 'survived',
    peakMb: peak,
    afterMb: { 0: peak * 0.9, 15: after, 60: rest },
    heapUsedMb: 60,
    gapMb: { peak: peak - 90, after: after - 50 },
    p50Ms: 4 * slow,
    p99Ms: 40 * slow,
    perSecond: 200 - round / 10,
    errors: 0,
    cpuSeconds: 20 * slow,
    loopDelayMs: 30 * slow,
    restCpuSeconds: 0.2 * slow,
    restLoopDelayMs: 12 * slow,
    series: seriesOf([peak, after, rest], 85),
  };
}

const killedRun = (series) => ({
  outcome: 'killed',
  said: '',
  peakMb: 510,
  afterMb: null,
  heapUsedMb: null,
  gapMb: null,
  p50Ms: null,
  p99Ms: null,
  perSecond: null,
  errors: null,
  cpuSeconds: null,
  loopDelayMs: null,
  restCpuSeconds: null,
  restLoopDelayMs: null,
  series,
});

const workload = (name, title) => ({
  name,
  title,
  about: `The ${name} service does its work.`,
  bursts: BURSTS,
  floor: { idleMb: 60, peakMb: 230, restMb: 100 },
  p999Ms: Object.fromEntries(NAMES.map((one, i) => [one, 90 * (1 + i / 50)])),
  runs: Object.fromEntries(NAMES.map((one) => [one, [0, 1, 2].map((round) => runOf(one, round))])),
});

const survivalOf = (name) => ({
  workload: name,
  limitsMb: [350, 280, 240],
  bursts: BURSTS,
  kills: {
    ...Object.fromEntries(
      NAMES.map((one) => [one, { 350: { runs: 3, kills: 3, errors: 0, failures: [] } }]),
    ),
    article: {
      350: { runs: 3, kills: 0, errors: 0, failures: [] },
      280: { runs: 3, kills: 3, errors: 0, failures: [] },
    },
    run: {
      350: { runs: 3, kills: 0, errors: 0, failures: [] },
      280: { runs: 3, kills: 1, errors: 0, failures: [] },
      240: { runs: 3, kills: 3, errors: 0, failures: [] },
    },
    'run --govern': {
      350: { runs: 3, kills: 0, errors: 0, failures: [] },
      280: { runs: 3, kills: 0, errors: 0, failures: [] },
      240: { runs: 3, kills: 0, errors: 0, failures: [] },
    },
  },
});

const grown = (over, unit, values) => ({
  over,
  unit,
  points: values.map((at, i) => ({
    at,
    statsUs: around(3 * (1 + i / 3), 0.2),
    statsAgeMs: around(0.00007, 0.2),
    snapshotUs: around(60 * (1 + i / 2), 0.2),
    inspectMs: around(8 * 2 ** i, 0.2),
    inspectLoopMs: around(0.4 * (1 + i / 4), 0.2),
    memoryUsageUs: around(40 * (1 + i / 2), 0.2),
  })),
});

const COST = {
  calls: [
    { name: 'stats()', allocator: 'jemalloc', us: around(3), loopUs: null },
    { name: 'inspect()', allocator: 'jemalloc', us: around(9000), loopUs: around(300) },
    { name: 'stats()', allocator: 'glibc', us: around(40), loopUs: null },
  ],
  growth: [
    grown('arenas', 'arenas', [1, 16, 64, 256]),
    grown('threads', 'threads', [4, 32, 256]),
    grown('mappings', 'mappings', [100, 1000, 10_000, 50_000]),
    grown('heap', 'GB of heap', [0.1, 1, 4]),
  ],
  purge: [10, 100, 500, 1000].map((mb) => ({
    dirtyMb: around(mb),
    durationMs: around(mb / 5, 0.2),
    releasedMb: around(mb * 0.98),
    loopMs: around(1.2, 0.2),
    idleLoopMs: around(1.1, 0.2),
  })),
  service: {
    windows: 20,
    windowSeconds: 5,
    perSecond: { off: around(3000), on: around(2990) },
    cpuMsPerRequest: { off: around(0.4), on: around(0.402) },
    throughputRatio: around(0.996),
    cpuRatio: around(1.005),
    noiseRatio: around(1.001),
  },
};

const allocator = (name, version) => ({ name, version });

/** A new copy each time, for a test to change. */
function benchResults() {
  return structuredClone({
    date: '2020-01-02T03:04:05.000Z',
    command: 'npm run bench',
    minutes: 55,
    machine: {
      cpu: 'Example CPU',
      cpus: 2,
      memoryMb: 7900,
      kernel: 'Linux 6.1',
      libc: 'glibc 2.36',
      node: 'v20.20.2',
      allocators: {
        glibc: allocator('glibc', '2.36'),
        'arena-max-2': allocator('glibc', '2.36'),
        article: allocator('jemalloc', '5.3.0'),
        mimalloc: allocator('mimalloc', null),
        tcmalloc: allocator('tcmalloc', null),
        run: allocator('jemalloc', '5.3.1'),
        'run --govern': allocator('jemalloc', '5.3.1'),
      },
    },
    rounds: 3,
    limitMb: 512,
    contenders: contenders(...NAMES).map(({ name, title }) => ({ name, title })),
    workloads: [workload('gateway', 'Gateway'), workload('images', 'Images')],
    survival: [survivalOf('gateway')],
    cost: COST,
  });
}

module.exports = { benchResults, killedRun };
