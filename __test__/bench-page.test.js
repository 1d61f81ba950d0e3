'use strict';
// The page of npm run bench: made of the figures, and of nothing else.

const assert = require('node:assert/strict');
const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { describe, it } = require('node:test');
const fc = require('fast-check');
const { check, render, write } = require('../bench/page/index.js');
const { contenders } = require('../bench/contenders.js');
const { REASONS } = require('../bench/page/reasons.js');
const { FIGURES, isBetter, summarize } = require('../bench/page/summary.js');
const { headlineTable, wins } = require('../bench/page/tables.js');
const { judge, judgeCost } = require('../bench/page/targets.js');
const { WORKLOADS } = require('../bench/table/workloads.js');
const { logarithmic, linear, apart } = require('../bench/svg.js');
const { benchResults, killedRun } = require('./support/bench-results.js');
const { makeFolder } = require('./support/faulty.js');

const ROOT = path.join(__dirname, '..');
const OWN = ['run', 'run --govern'];
const PAGE = 'docs/benchmarks.md';
const README = 'README.md';

/** The first workload's summary, of results that `change` has changed. */
function workloadOf(change = () => {}) {
  const results = benchResults();
  change(results.workloads[0], results);
  return summarize(results)[0];
}

/** The rows of the first table behind a heading, each its cells by heading. */
function rowsOf(text) {
  const cells = (line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim());
  const [, , ...rows] = text.split('\n').filter((line) => line.startsWith('|'));
  return Object.fromEntries(rows.map(cells).map(([first, ...others]) => [first, others]));
}

/** Verdicts of `heapgap run` and `heapgap run --govern` for the target that begins so. */
function verdictsOf(workload, beginning) {
  const found = judge(workload, OWN).filter(({ target }) => target.startsWith(beginning));
  assert.equal(found.length, 1, beginning);
  return found[0].answers.map(({ verdict }) => verdict);
}

const each = (workload, name, change) => {
  for (const [round, run] of workload.runs[name].entries()) change(run, round);
};

describe('the article’s table', () => {
  it('has medians, and changes against glibc beside the article’s', () => {
    const rows = rowsOf(headlineTable(workloadOf()));
    assert.deepEqual(rows['Peak RSS under load'], [
      ...['404 MB', '273 MB', '−33 %', '253 MB', '−38 %'],
      '−31 %',
    ]);
    assert.deepEqual(rows['p99 response latency'].slice(0, 3), ['40 ms', '44 ms', '+10 %']);
    assert.equal(rows['RSS 15 s after the load'].at(-1), '−28 %');
  });

  it('counts kills at the limits that all of it were run at', () => {
    const rows = rowsOf(headlineTable(workloadOf()));
    assert.deepEqual(rows['OOM kills, of runs at the same limits'], [
      ...['3 of 6', '0 of 6', '−100 %', '0 of 6', '−100 %'],
      '−100 %',
    ]);
  });

  it('has the kills where a run was killed, and no change', () => {
    const workload = workloadOf(({ runs }) => {
      runs.glibc[1] = killedRun([[0, 60]]);
    });
    const rows = rowsOf(headlineTable(workload));
    assert.deepEqual(rows['Peak RSS under load'].slice(0, 3), ['1 of 3 killed', '273 MB', '—']);
    assert.deepEqual(rows.Throughput.slice(0, 3), ['1 of 3 killed', '200 per s', '—']);
  });

  it('is not there without glibc', () => {
    const workload = workloadOf(({ runs }) => {
      runs.glibc = [];
    });
    assert.equal(headlineTable(workload), null);
  });
});

describe('noise', () => {
  const peak = FIGURES.find(({ key }) => key === 'peak');
  const perSecond = FIGURES.find(({ key }) => key === 'perSecond');
  const of = (figure, min, median, max) => ({ figures: { [figure.key]: { min, median, max } } });
  const other = of(peak, 98, 100, 102);

  it('is where ranges overlap', () => {
    assert.equal(isBetter(peak, of(peak, 80, 90, 98), other), false);
    assert.equal(isBetter(peak, of(peak, 80, 90, 97.9), other), true);
  });

  it('is where medians differ by no more than 2 %', () => {
    assert.equal(isBetter(peak, of(peak, 97.9, 98, 99), of(peak, 100, 100, 100)), false);
    assert.equal(isBetter(peak, of(peak, 97.9, 97.9, 99), of(peak, 100, 100, 100)), true);
  });

  it('more is better in throughput, and nothing is better than what is missing', () => {
    assert.equal(isBetter(perSecond, of(perSecond, 110, 110, 110), of(perSecond, 9, 9, 9)), true);
    assert.equal(isBetter(perSecond, of(perSecond, 9, 9, 9), of(perSecond, 110, 110, 110)), false);
    assert.equal(isBetter(peak, other, { figures: { peak: null } }), false);
  });
});

describe('targets', () => {
  it('judges the peak by its change', () => {
    assert.deepEqual(verdictsOf(workloadOf(), 'peak RSS −31 %'), ['met', 'met']);
    const higher = workloadOf(({ runs }) => {
      for (const run of runs.run) run.peakMb *= 1.05;
    });
    assert.deepEqual(verdictsOf(higher, 'peak RSS −31 %'), ['MISSED', 'met']);
  });

  it('judges the peak by the floor where glibc is near it, unless it is above glibc’s', () => {
    const peaks = (own, glibc) => (workload) => {
      each(workload, 'run', (run) => Object.assign(run, { peakMb: own }));
      each(workload, 'glibc', (run) => Object.assign(run, { peakMb: glibc }));
    };
    assert.equal(verdictsOf(workloadOf(peaks(253, 260)), 'peak RSS −31 %')[0], 'met');
    assert.equal(verdictsOf(workloadOf(peaks(254, 260)), 'peak RSS −31 %')[0], 'MISSED');
    assert.equal(verdictsOf(workloadOf(peaks(253, 240)), 'peak RSS −31 %')[0], 'MISSED');
  });

  it('judges RSS after the load, against glibc, the article’s setup and the floor', () => {
    const workload = workloadOf(({ runs }) => {
      for (const run of runs.run) Object.assign(run.afterMb, { 15: 190, 60: 116 });
      for (const run of runs['run --govern']) Object.assign(run.afterMb, { 15: 150, 60: 115 });
    });
    assert.deepEqual(verdictsOf(workload, 'RSS 15 s after −50 %'), ['MISSED', 'met']);
    assert.deepEqual(verdictsOf(workload, 'RSS 15 s after −10 %'), ['MISSED', 'met']);
    assert.deepEqual(verdictsOf(workload, 'RSS 60 s after'), ['MISSED', 'met']);
  });

  it('judges kills wherever glibc or the article’s setup has any, run there or given up', () => {
    assert.deepEqual(verdictsOf(workloadOf(), 'no OOM kill'), ['MISSED', 'met']);
    const [answer] = judge(workloadOf(), OWN).find(({ target }) => /OOM/.test(target)).answers;
    assert.equal(answer.measured, '1 of 3 at 280 MB, 3 of 3 at 240 MB');
  });

  it('judges p99 and throughput', () => {
    assert.deepEqual(verdictsOf(workloadOf(), 'p99 −3 %'), ['MISSED', 'MISSED']);
    const workload = workloadOf((all) => {
      each(all, 'run', (run, round) =>
        Object.assign(run, { p99Ms: 40 + round, perSecond: 190 + round }),
      );
      each(all, 'run --govern', (run) => Object.assign(run, { p99Ms: 38, perSecond: 199.9 }));
    });
    assert.deepEqual(verdictsOf(workload, 'p99 −3 %'), ['MISSED', 'met']);
    assert.deepEqual(verdictsOf(workload, 'p99 no worse'), ['met', 'met']);
    assert.deepEqual(verdictsOf(workload, 'throughput'), ['MISSED', 'met']);
  });

  it('names the rows that are worse than the article’s', () => {
    const target = 'no row of the article’s table';
    assert.deepEqual(verdictsOf(workloadOf(), target), ['MISSED', 'MISSED']);
    const workload = workloadOf((all) => {
      for (const name of OWN) each(all, name, (run) => Object.assign(run, { p99Ms: 41 }));
    });
    assert.deepEqual(verdictsOf(workload, target), ['met', 'met']);
    const killedMore = workloadOf((all, { survival }) => {
      each(all, 'run', (run) => Object.assign(run, { p99Ms: 41 }));
      for (const limit of [350, 280]) survival[0].kills.run[limit].kills = 2;
    });
    assert.equal(verdictsOf(killedMore, target)[0], 'MISSED');
  });

  it('are missed by who is killed, and open where the other is', () => {
    const own = workloadOf(({ runs }) => {
      runs.run[0] = killedRun([]);
    });
    for (const { target, answers } of judge(own, ['run'])) {
      assert.equal(answers[0].verdict, 'MISSED', target);
    }
    const other = workloadOf(({ runs }) => {
      runs.glibc[0] = killedRun([]);
    });
    assert.deepEqual(verdictsOf(other, 'p99 no worse'), ['—', '—']);
  });

  it('judges the cost of all of heapgap', () => {
    const { cost } = benchResults();
    assert.equal(judgeCost(cost).answers[0].verdict, 'met');
    cost.service.throughputRatio.median = 0.989;
    assert.equal(judgeCost(cost).answers[0].verdict, 'MISSED');
    assert.equal(judgeCost(null).answers[0].verdict, '—');
    assert.equal(judgeCost({ ...cost, service: null }).answers[0].verdict, '—');
  });
});

describe('where another wins', () => {
  const slow = (all) => {
    for (const name of OWN) {
      each(all, name, (run) => {
        Object.assign(run, { p50Ms: 1, p99Ms: 50, cpuSeconds: 1, loopDelayMs: 1 });
        Object.assign(run, { restCpuSeconds: 0.1, restLoopDelayMs: 1 });
      });
    }
  };

  it('names who is better than both of heapgap’s, with the figures', () => {
    const found = wins(
      workloadOf((all) => {
        slow(all);
        each(all, 'mimalloc', (run) => Object.assign(run, { p99Ms: 30 }));
        for (const name of ['glibc', 'arena-max-2', 'article', 'tcmalloc'])
          each(all, name, (run) => Object.assign(run, { p99Ms: 49.5 }));
      }),
    );
    assert.deepEqual(found, [
      'Gateway, p99, ms: mimalloc 30 (30–30); against `heapgap run` 50 (50–50); `heapgap run --govern` 50 (50–50). Not explained yet.',
    ]);
  });

  it('names who survives where neither of heapgap’s does', () => {
    const [line] = wins(
      workloadOf((_, { survival }) => {
        for (const name of OWN) survival[0].kills[name][350].kills = 1;
      }),
    );
    assert.match(line, /^Gateway, kills at 350 MB: none of jemalloc as in the article; against/);
  });

  it('says why, where somebody has looked', () => {
    const results = benchResults();
    const images = results.workloads.find(({ name }) => name === 'images');
    each(images, 'arena-max-2', (run) => Object.assign(run, { peakMb: 1, cpuSeconds: 1 }));
    const page = render(results)[PAGE];
    assert.match(page, /^- Images, Peak RSS, MB: glibc, `MALLOC_ARENA_MAX=2` 1.*\. Fewer arenas/m);
    assert.match(
      page,
      /^- Images, CPU, s: glibc, `MALLOC_ARENA_MAX=2` 1.*\. Not explained yet\.$/m,
    );
    const keys = FIGURES.map(({ key }) => key);
    for (const [workload, reasons] of Object.entries(REASONS)) {
      assert.ok(
        WORKLOADS.some(({ name }) => name === workload),
        workload,
      );
      for (const [key, winners] of Object.entries(reasons)) {
        assert.ok(key === 'kills' || keys.includes(key), key);
        for (const name of Object.keys(winners)) assert.ok(contenders(name)[0], name);
      }
    }
  });

  it('names nobody where one of heapgap’s is as good', () => {
    const found = wins(
      workloadOf((all) => {
        slow(all);
        each(all, 'run', (run) => Object.assign(run, { p99Ms: 1 }));
      }),
    );
    assert.deepEqual(found, []);
  });
});

describe('render()', () => {
  it('shows what is missing as a dash and what was killed as a dagger', () => {
    const results = benchResults();
    const [first] = results.workloads;
    results.workloads = [first];
    first.floor = null;
    first.p999Ms.glibc = null;
    first.runs.article[0] = { ...killedRun([]), outcome: 'exited with 1', said: 'no | memory\nat' };
    const page = render(results)[PAGE];
    assert.match(page, /^\| p99\.9 of all rounds, ms +\| +— \| +92 \| +† \|/m);
    assert.match(page, /^\| runs killed +\| +0 of 3 \| +0 of 3 \| +1 of 3 \|/m);
    assert.ok(
      page.includes(
        '- Counted as killed: jemalloc as in the article, 512 MB: `exited with 1 no / memory`',
      ),
    );
  });

  it('leaves out what was not measured', () => {
    const files = render({ ...benchResults(), survival: [], cost: null });
    assert.ok(!Object.keys(files).some((file) => /survival|growth|purge/.test(file)));
    assert.match(files[PAGE], /## What heapgap costs\n\nLeft out of this run\./);
    assert.ok(!files[PAGE].includes('who is killed'));
  });

  it('makes every picture that the page shows, and no other', () => {
    const files = render(benchResults());
    const shown = [...files[PAGE].matchAll(/\]\((benchmarks\/[^)]+)\)/g)].map(
      ([, file]) => `docs/${file}`,
    );
    const made = Object.keys(files).filter((file) => file.endsWith('.svg'));
    assert.deepEqual(shown.sort(), made.sort());
    assert.equal(made.length, 7);
  });

  it('draws the floor into RSS over time, where there is one', () => {
    const dashed = (change) => {
      const results = benchResults();
      change(results.workloads[0]);
      return render(results)['docs/benchmarks/rss-gateway.svg'].includes('stroke-dasharray="5 4"');
    };
    assert.equal(
      dashed(() => {}),
      true,
    );
    assert.equal(
      dashed((workload) => {
        workload.floor = null;
      }),
      false,
    );
  });

  it('makes Markdown that npm run lint leaves as it is', () => {
    const biome = require.resolve('@biomejs/biome/bin/biome');
    const words = [biome, 'format', `--stdin-file-path=${PAGE}`];
    const { [PAGE]: page, [README]: part } = render(benchResults());
    for (const text of [page, `${part}\n`]) {
      const formatted = execFileSync(process.execPath, words, { cwd: ROOT, input: text });
      assert.equal(String(formatted), text);
    }
  });

  const amount = fc.oneof(
    fc.constant(0),
    fc.double({ min: 1e-6, max: 1e9, noNaN: true }),
    fc.nat(2000),
  );
  const spread = fc.tuple(amount, amount, amount).map((values) => {
    const [min, median, max] = values.sort((a, b) => a - b);
    return { min, median, max };
  });
  const orNull = (arbitrary) => fc.option(arbitrary, { nil: null });
  const said = fc.string({ unit: fc.constantFrom('a', '|', '`', '\n', '<', ' ') });
  const series = fc.array(fc.tuple(amount, amount), { maxLength: 5 });
  const run = fc.record({
    outcome: fc.constantFrom('survived', 'survived', 'killed', 'exited with 1'),
    said,
    peakMb: amount,
    afterMb: orNull(fc.record({ 0: amount, 15: amount, 60: amount })),
    heapUsedMb: orNull(amount),
    gapMb: orNull(fc.record({ peak: amount, after: amount })),
    ...Object.fromEntries(
      [
        ...['p50Ms', 'p99Ms', 'perSecond', 'cpuSeconds', 'loopDelayMs'],
        ...['restCpuSeconds', 'restLoopDelayMs'],
      ].map((name) => [name, orNull(amount)]),
    ),
    errors: orNull(fc.nat(9)),
    series,
  });
  const kills = fc
    .tuple(fc.integer({ min: 1, max: 9 }), fc.nat(9), fc.array(said, { maxLength: 1 }))
    .map(([runs, some, failures]) => ({
      runs,
      kills: Math.min(runs, some),
      errors: some,
      failures,
    }));
  const LIMITS = [400, 300, 200];
  const names = benchResults().contenders.map(({ name }) => name);
  const byName = (arbitrary) =>
    fc.record(Object.fromEntries(names.map((name) => [name, arbitrary])), { requiredKeys: [] });
  const bursts = fc.array(fc.record({ perSecond: amount, seconds: amount, idleSeconds: amount }), {
    maxLength: 3,
  });
  const survival = fc.record({
    workload: fc.constantFrom('gateway', 'images'),
    limitsMb: fc.subarray(LIMITS),
    bursts,
    kills: byName(
      fc.record(Object.fromEntries(LIMITS.map((limit) => [limit, kills])), { requiredKeys: [] }),
    ),
  });
  const workload = fc.record({
    name: fc.constantFrom('gateway', 'images', 'render', 'pool'),
    title: fc.constantFrom('Gateway', 'Images'),
    about: fc.constant('It works.'),
    bursts,
    floor: orNull(fc.record({ idleMb: amount, peakMb: amount, restMb: amount })),
    p999Ms: byName(orNull(amount)),
    runs: byName(fc.array(run, { maxLength: 3 })),
  });
  const records = (...keys) => fc.record(Object.fromEntries(keys.map((key) => [key, spread])));
  const point = fc
    .tuple(
      amount,
      records('statsUs', 'statsAgeMs', 'snapshotUs', 'inspectMs', 'inspectLoopMs', 'memoryUsageUs'),
    )
    .map(([at, figures]) => ({ at, ...figures }));
  const cost = fc.record({
    calls: fc.array(
      fc.record({
        name: fc.constant('stats()'),
        allocator: fc.constantFrom('jemalloc', 'glibc'),
        us: spread,
        loopUs: orNull(spread),
      }),
      { maxLength: 2 },
    ),
    growth: fc.array(
      fc.record({
        over: fc.constant('arenas'),
        unit: fc.constant('arenas'),
        points: fc.array(point, { maxLength: 3 }),
      }),
      { maxLength: 3 },
    ),
    purge: fc.array(records('dirtyMb', 'durationMs', 'releasedMb', 'loopMs', 'idleLoopMs'), {
      maxLength: 3,
    }),
    service: orNull(
      fc.record({
        windows: fc.nat(9),
        windowSeconds: amount,
        perSecond: records('off', 'on'),
        cpuMsPerRequest: records('off', 'on'),
        throughputRatio: spread,
        cpuRatio: spread,
        noiseRatio: spread,
      }),
    ),
  });
  const anyResults = fc
    .record({
      workloads: fc.uniqueArray(workload, { selector: ({ name }) => name, maxLength: 2 }),
      survival: fc.uniqueArray(survival, { selector: (one) => one.workload, maxLength: 2 }),
      cost: orNull(cost),
      contenders: fc.subarray(benchResults().contenders),
    })
    .map((parts) => ({ ...benchResults(), ...parts }));

  it('never throws, and prints nothing that is no figure, whatever was measured', () => {
    fc.assert(
      fc.property(anyResults, (results) => {
        for (const [file, text] of Object.entries(render(results))) {
          assert.doesNotMatch(text, /NaN|undefined|Infinity|null|\[object/, file);
        }
      }),
    );
  });
});

describe('write() and check()', () => {
  /** A folder with what the results make. */
  function written(t, results = benchResults()) {
    const root = makeFolder(t);
    fs.mkdirSync(path.join(root, 'docs'));
    fs.copyFileSync(path.join(ROOT, README), path.join(root, README));
    write(results, root);
    return root;
  }

  const edit = (root, file, change) => {
    const full = path.join(root, file);
    fs.writeFileSync(full, change(fs.readFileSync(full, 'utf8')));
  };

  it('agree', (t) => {
    const root = written(t);
    assert.deepEqual(check(root), []);
    write(benchResults(), root);
    assert.deepEqual(check(root), []);
  });

  it('the figures that are written are the figures', (t) => {
    const text = fs.readFileSync(path.join(written(t), 'docs/benchmarks.json'), 'utf8');
    assert.deepEqual(JSON.parse(text), JSON.parse(JSON.stringify(benchResults())));
  });

  it('leave the rest of README alone, and check() does not look at it', (t) => {
    const root = written(t);
    const [before, behind] = fs
      .readFileSync(path.join(ROOT, README), 'utf8')
      .split(/<!-- made by npm run bench -->[\s\S]*<!-- end of benchmark -->/);
    const now = fs.readFileSync(path.join(root, README), 'utf8');
    assert.ok(now.startsWith(before) && now.endsWith(behind));
    edit(root, README, (text) => `${text}\nMore.\n`);
    assert.deepEqual(check(root), []);
  });

  it('name what was edited, lost or left over', (t) => {
    const plot = 'docs/benchmarks/rss-gateway.svg';
    const root = written(t);
    edit(root, PAGE, (text) => text.replace('404 MB', '405 MB'));
    assert.deepEqual(check(root), [PAGE]);
    edit(root, plot, (text) => text.replace('<title>', '<title>x'));
    edit(root, README, (text) => text.replace('404 MB', '405 MB'));
    assert.deepEqual(check(root), [PAGE, plot, README]);
    fs.rmSync(path.join(root, plot));
    edit(root, README, (text) => text.replace('<!-- end of benchmark -->', ''));
    fs.writeFileSync(path.join(root, 'docs/benchmarks/old.svg'), '<svg/>');
    assert.deepEqual(check(root), [PAGE, plot, README, 'docs/benchmarks/old.svg']);
  });

  it('name what other figures would make', (t) => {
    const root = written(t);
    edit(root, 'docs/benchmarks.json', (text) => text.replace('"minutes": 55', '"minutes": 56'));
    assert.deepEqual(check(root), [PAGE]);
    fs.rmSync(path.join(root, 'docs/benchmarks.json'));
    assert.deepEqual(check(root), ['docs/benchmarks.json']);
  });

  it('a plot that is no longer made is removed', (t) => {
    const root = written(t);
    write({ ...benchResults(), survival: [] }, root);
    assert.ok(!fs.existsSync(path.join(root, 'docs/benchmarks/survival-gateway.svg')));
    assert.deepEqual(check(root), []);
  });
});

describe('scales', () => {
  it('have round ticks', () => {
    assert.deepEqual(linear(404, [0, 100], { count: 4 }).ticks, [0, 200, 400, 600]);
    assert.deepEqual(linear(0.3, [0, 100], { count: 3 }).ticks, [0, 0.1, 0.2, 0.3]);
    assert.deepEqual(linear(85, [0, 85], { tight: true }).ticks, [0, 20, 40, 60, 80]);
    assert.deepEqual(logarithmic([4, 90], [0, 1]).ticks, [2, 5, 10, 20, 50, 100]);
    assert.deepEqual(logarithmic([3, 40_000], [0, 1]).ticks, [10, 100, 1000, 10_000]);
    assert.deepEqual(logarithmic([999.999999999999], [0, 1]).ticks, [500, 1000, 2000, 5000]);
  });

  it('put values where they belong, and those that a logarithm has not, at the edge', () => {
    const { of } = logarithmic([1, 100], [10, 30]);
    assert.deepEqual([0, 1, 10, 100].map(of), [10, 10, 20, 30]);
  });

  it('labels are moved apart within the picture', () => {
    const labels = [{ y: 10 }, { y: 12 }, { y: 100 }];
    assert.deepEqual(
      apart(labels, 14, 100).map(({ y }) => y),
      [10, 24, 100],
    );
    const low = apart([{ y: 99 }, { y: 100 }], 14, 100);
    assert.deepEqual(
      low.map(({ y }) => y),
      [86, 100],
    );
  });
});
