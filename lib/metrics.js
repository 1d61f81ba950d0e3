'use strict';
// What heapgap/prometheus and heapgap/otel export: each metric's name, kind and unit, and where it is in a reading.

const { LEVELS } = require('./table.js');

/** What a metric is of: all processes of a cgroup see the same group. */
const PROCESS = 'process';
const GROUP = 'group';

/**
 * A metric: its name in parts, `unit` (`bytes`, `seconds`, or none for counts), what it is, and `read`, which gives a
 * number, `null`, or rows of `[labels, number]` where `labels` names some; of one that `passes`, rows come and go.
 */
const gauge = (name, unit, help, read, more) => ({
  name,
  unit,
  help,
  read,
  kind: 'gauge',
  of: PROCESS,
  labels: [],
  ...more,
});
const counter = (...metric) => ({ ...gauge(...metric), kind: 'counter' });

const snaked = (text) => text.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/** The figures of one object of a snapshot, each `[unit, help]`, and its name where that is not its key's. */
const group = (first, part, figures, more) =>
  Object.entries(figures).map(([key, [unit, help, name = snaked(key)]]) =>
    gauge([first, name], unit, help, (reading) => part(reading)?.[key] ?? null, more),
  );

const ALLOCATOR = group('allocator', ({ snapshot }) => snapshot.allocator, {
  allocated: ['bytes', 'Bytes that malloc handed out and that were not freed.'],
  active: ['bytes', 'Bytes in pages that hold at least one live object.'],
  dirty: ['bytes', 'Bytes in freed pages that were not given back yet.'],
  muzzy: ['bytes', 'Bytes in pages given back lazily, which RSS may still count.'],
  metadata: ['bytes', 'Bytes of the allocator’s own book-keeping.'],
  resident: ['bytes', 'Bytes that the allocator has in physical memory at the most.'],
  mapped: ['bytes', 'Bytes of address space that the allocator uses.'],
  retained: ['bytes', 'Bytes of address space kept for later, without memory.'],
  pinned: ['bytes', 'Bytes that live objects keep in their pages beside themselves.'],
  threadCaches: ['bytes', 'Bytes of freed objects that threads keep.'],
  free: ['bytes', 'Bytes in free chunks, resident or not.'],
  arenas: ['', 'Room for arenas.'],
  backgroundThreads: ['', 'jemalloc’s background threads.'],
});

const MEMORY = group('process', ({ snapshot }) => snapshot.process, {
  rss: ['bytes', 'Resident set size.', 'resident_memory'],
  anon: ['bytes', 'Of RSS: heaps, stacks and allocators.', 'anonymous_memory'],
  file: ['bytes', 'Of RSS: mapped files.', 'file_memory'],
  shmem: ['bytes', 'Of RSS: shared memory.', 'shared_memory'],
  peak: ['bytes', 'The highest RSS so far.', 'peak_resident_memory'],
  swap: ['bytes', 'Anonymous memory swapped out.', 'swapped_memory'],
  threads: ['', 'Threads.'],
  fds: ['', 'Open file descriptors.', 'open_fds'],
});

const V8 = group('v8', ({ snapshot }) => snapshot.v8, {
  heapTotal: ['bytes', 'Bytes that V8 has reserved for its heap.'],
  heapUsed: ['bytes', 'Bytes of objects in V8’s heap.'],
  heapLimit: ['bytes', 'Where V8 gives up.'],
  heapPhysical: ['bytes', 'Bytes of V8’s heap in physical memory.'],
  external: ['bytes', 'Bytes of C++ objects bound to JavaScript ones.'],
  arrayBuffers: ['bytes', 'Bytes of Buffers and ArrayBuffers.'],
});

const CGROUP = group(
  'cgroup',
  ({ snapshot }) => snapshot.cgroup,
  {
    limit: ['bytes', 'The lowest hard memory limit in force.', 'memory_limit'],
    high: ['bytes', 'Where the kernel starts to throttle.', 'memory_high'],
    usage: ['bytes', 'All that is charged to the group.', 'memory_usage'],
    unreclaimable: ['bytes', 'What has to fit under the limit.', 'memory_unreclaimable'],
    peak: ['bytes', 'The highest usage so far.', 'memory_peak'],
  },
  { of: GROUP },
);

const stallsOf = ({ snapshot }) => {
  const { pressure } = snapshot.cgroup;
  if (pressure === null) return [];
  return ['some', 'full'].map((kind) => [{ kind, of: pressure.of }, pressure[kind].totalMs / 1000]);
};

const KERNEL = [
  counter(
    ['cgroup', 'oom', 'kills'],
    '',
    'Processes that the kernel’s OOM killer ended in the group.',
    ({ snapshot }) => snapshot.cgroup.oomKills,
    { of: GROUP },
  ),
  counter(
    ['cgroup', 'memory', 'stall'],
    'seconds',
    'Time that some or all tasks waited for memory (PSI).',
    stallsOf,
    { of: GROUP, labels: ['kind', 'of'] },
  ),
];

const infoOf = ({ snapshot }) => {
  const { name, version } = snapshot.allocator;
  return [[{ name, version: version ?? '' }, 1]];
};

const partsOf = ({ snapshot }) =>
  Object.entries(snapshot.ledger.parts).map(([part, { bytes }]) => [{ part: snaked(part) }, bytes]);

const GAP = [
  gauge(['allocator', 'info'], '', 'The live allocator: 1.', infoOf, {
    labels: ['name', 'version'],
  }),
  gauge(['gap'], 'bytes', 'RSS less V8’s heap.', ({ snapshot }) => snapshot.gap),
  gauge(['ledger'], 'bytes', 'RSS by parts that sum to it.', partsOf, { labels: ['part'] }),
];

const levelsOf = ({ snapshot }) =>
  snapshot.governor === null
    ? []
    : LEVELS.map((level) => [{ level }, Number(snapshot.governor.level === level)]);

const GOVERNOR_GAUGES = group(
  'governor',
  ({ snapshot }) => snapshot.governor,
  {
    limit: ['bytes', 'The limit that the governor keeps.'],
    usage: ['bytes', 'What the governor holds against it.'],
  },
  { of: GROUP },
);

const ofGovernor = (key, scale = 1) => {
  return ({ snapshot }) => (snapshot.governor ? snapshot.governor[key] * scale : null);
};

const GOVERNOR = [
  gauge(['governor', 'running'], '', 'Whether a governor runs: 1 or 0.', ({ snapshot }) =>
    Number(snapshot.governor?.running ?? false),
  ),
  gauge(['governor', 'level'], '', 'The governor’s level: 1, the others 0.', levelsOf, {
    labels: ['level'],
  }),
  ...GOVERNOR_GAUGES,
  counter(['governor', 'purges'], '', 'Purges by the governor.', ofGovernor('purges')),
  counter(
    ['governor', 'released'],
    'bytes',
    'By how much RSS fell in them.',
    ofGovernor('released'),
  ),
  counter(
    ['governor', 'purging'],
    'seconds',
    'How long the governor’s purges took.',
    ofGovernor('purgeMs', 1 / 1000),
  ),
  counter(
    ['governor', 'collections'],
    '',
    'V8’s collections that it asked for.',
    ofGovernor('collections'),
  ),
];

const PURGES = [
  counter(['purges'], '', 'Purges that were asked for and done.', ({ purges }) => purges.count),
  counter(
    ['purge', 'released'],
    'bytes',
    'By how much RSS fell in them.',
    ({ purges }) => purges.released,
  ),
];

const codesOf = ({ diagnosis }) =>
  (diagnosis.findings ?? []).map(({ code, severity }) => [{ code, severity }, 1]);

const bytesOf = ({ diagnosis }) =>
  (diagnosis.findings ?? []).map(({ code, bytes }) => [{ code }, bytes]);

const verdictOf = ({ diagnosis }) =>
  diagnosis.verdict === null ? [] : [[{ verdict: diagnosis.verdict }, 1]];

/** What costs a look at every mapping of the process; left out with `findings: false`. */
const FINDINGS = [
  gauge(['verdict', 'info'], '', 'What most of the gap is: 1.', verdictOf, {
    labels: ['verdict'],
    passes: true,
  }),
  gauge(['finding', 'info'], '', 'What diagnose() found: 1.', codesOf, {
    labels: ['code', 'severity'],
    passes: true,
  }),
  gauge(['finding'], 'bytes', 'How many bytes a finding is about.', bytesOf, {
    labels: ['code'],
    passes: true,
  }),
];

const FIGURES = [
  ...ALLOCATOR,
  ...MEMORY,
  ...V8,
  ...CGROUP,
  ...KERNEL,
  ...GAP,
  ...GOVERNOR,
  ...PURGES,
];

/** Those that a caller gets who wants findings, or not. */
const metricsFor = ({ findings }) => (findings ? [...FIGURES, ...FINDINGS] : FIGURES);

/** What a metric has in a reading, as rows of `[labels, number]`; none where it is missing. */
function rowsOf({ read }, reading) {
  const found = read(reading);
  const rows = Array.isArray(found) ? found : [[{}, found]];
  return rows.filter(([, value]) => Number.isFinite(value));
}

/**
 * Makes what gives a metric's rows where a reader goes on with the last value of labels that come no more, as
 * OpenTelemetry's SDK does: what a diagnosis finds no more is 0.
 */
function rowsWithGone(metric) {
  const seen = new Map();
  return (reading) => {
    const rows = rowsOf(metric, reading);
    if (!metric.passes || reading.diagnosis.findings === null) return rows;
    const now = new Set(rows.map(([labels]) => JSON.stringify(labels)));
    for (const [labels] of rows) seen.set(JSON.stringify(labels), labels);
    const gone = [...seen].filter(([key]) => !now.has(key));
    return [...rows, ...gone.map(([, labels]) => [labels, 0])];
  };
}

/** https://prometheus.io/docs/practices/naming/ */
function prometheusName({ name, unit, kind }, prefix) {
  const ending = [...(unit ? [unit] : []), ...(kind === 'counter' ? ['total'] : [])];
  return prefix + [...name, ...ending].join('_');
}

module.exports = { GROUP, metricsFor, prometheusName, rowsOf, rowsWithGone };
