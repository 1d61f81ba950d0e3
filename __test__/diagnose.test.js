'use strict';
// diagnose(): what it asks, what it hands to the rules, and the experiment. The rules have tests of their own.

const assert = require('node:assert/strict');
const path = require('node:path');
const { before, describe, it } = require('node:test');
const fc = require('fast-check');
const { createDiagnose } = require('../lib/diagnose.js');
const { promisedAllocator } = require('../lib/doctor/quick.js');
const { createExperiment } = require('../lib/experiment.js');
const { parseFdLimit } = require('../lib/facts.js');
const { NAMES, createWatch, rowsOf } = require('../lib/watch.js');
const { JEMALLOCS, preload } = require('./support/allocators.js');
const { finished, runChild } = require('./support/child.js');
const { MAJORS, binary, installNodes } = require('./support/nodes.js');

const MB = 1024 * 1024;
const ANSWER = { verdict: 'healthy', summary: 'All is well. Nothing is to be done.', findings: [] };
const INSPECTION = { pid: 42, ledger: { rss: 7, parts: {} } };
const FACTS = { expected: null, cpus: 2, machineMemory: 3, fdLimit: null };
const EXPERIMENT = { steps: [], garbage: 5 };

function deferred() {
  const parts = {};
  parts.promise = new Promise((resolve, reject) => Object.assign(parts, { resolve, reject }));
  return parts;
}

/** diagnose() on what a test gives, and what it was asked. */
function fakes(overrides = {}) {
  const calls = { inspect: 0, experiment: 0, facts: 0 };
  const asked = [];
  const deps = {
    inspect: async () => INSPECTION,
    experiment: async () => ({ inspection: INSPECTION, experiment: EXPERIMENT }),
    facts: () => FACTS,
    ...overrides,
  };
  const counted = Object.fromEntries(
    Object.keys(calls).map((name) => [
      name,
      () => {
        calls[name] += 1;
        return deps[name]();
      },
    ]),
  );
  const addon = {
    diagnose: async (text, rows) => {
      asked.push({ case: JSON.parse(text), rows });
      return JSON.stringify(ANSWER);
    },
  };
  const why = 'there is no addon here';
  return { diagnose: createDiagnose({ addon, why, ...overrides, ...counted }), calls, asked };
}

/** A watch with `count` samples. */
function watchOf(t, count) {
  const watch = createWatch({ snapshot: () => ({}) })({ intervalMs: 1e6 });
  t.after(() => watch.stop());
  while (watch.length < count) watch.sample();
  return watch;
}

describe('a diagnosis', () => {
  it('hands inspection and facts to the rules, and answers what they say', async () => {
    const { diagnose, asked, calls } = fakes();
    assert.deepEqual(await diagnose(), {
      ...ANSWER,
      ledger: INSPECTION.ledger,
      window: { samples: 0, durationMs: 0 },
    });
    assert.deepEqual(asked[0].case, { inspection: INSPECTION, experiment: null, facts: FACTS });
    assert.ok(asked[0].rows instanceof Float64Array && asked[0].rows.length === 0);
    assert.deepEqual(calls, { inspect: 1, experiment: 0, facts: 1 });
  });

  it('judges by the running watch with the longest window', async (t) => {
    const [shorter, longer] = [watchOf(t, 2), watchOf(t, 2)];
    do longer.sample();
    while (longer.durationMs <= shorter.durationMs);
    const { diagnose, asked } = fakes();
    const { window } = await diagnose();
    const durationMs = Math.round(longer.durationMs);
    assert.deepEqual(window, { samples: longer.length, durationMs });
    assert.deepEqual(asked[0].rows, rowsOf(longer));
    assert.equal(asked[0].rows.length, longer.length * NAMES.length);
    longer.stop();
    assert.equal((await diagnose()).window.samples, shorter.length);
  });

  it('judges by the watch it is told, a stopped one, too', async (t) => {
    const stopped = watchOf(t, 3);
    stopped.stop();
    watchOf(t, 5);
    const { diagnose, asked } = fakes();
    assert.equal((await diagnose({ window: stopped })).window.samples, 3);
    assert.deepEqual(asked[0].rows, rowsOf(stopped));
  });

  it('judges by what was sampled before an experiment', async (t) => {
    const watch = watchOf(t, 2);
    const experiment = async () => {
      watch.sample();
      return { inspection: INSPECTION, experiment: EXPERIMENT };
    };
    const { diagnose } = fakes({ experiment });
    assert.equal((await diagnose({ experiment: true })).window.samples, 2);
    assert.equal(watch.length, 3);
  });

  it('is one for all who ask meanwhile, and another for who asks later', async (t) => {
    const run = deferred();
    const { diagnose, calls, asked } = fakes({ inspect: () => run.promise });
    const both = [diagnose(), diagnose({ experiment: false })];
    const window = watchOf(t, 4);
    const third = diagnose({ window });
    run.resolve(INSPECTION);
    const [first, second] = await Promise.all(both);
    assert.equal(first, second);
    assert.equal((await third).window.samples, 4);
    assert.equal(calls.inspect, 1);
    assert.equal(asked.length, 2);
    await diagnose();
    assert.equal(calls.inspect, 2);
  });

  it('experiments where it is asked to, once at a time', async (t) => {
    const run = deferred();
    const { diagnose, calls, asked } = fakes({ experiment: () => run.promise });
    const window = watchOf(t, 2);
    const all = [
      diagnose({ experiment: true }),
      diagnose({ experiment: true }),
      diagnose({ experiment: true, window }),
    ];
    run.resolve({ inspection: INSPECTION, experiment: EXPERIMENT });
    for (const { experiment } of await Promise.all(all)) assert.deepEqual(experiment, EXPERIMENT);
    assert.equal(calls.experiment, 1);
    assert.equal(calls.inspect, 0);
    assert.deepEqual(asked[0].case.experiment, EXPERIMENT);
    await diagnose({ experiment: true });
    assert.equal(calls.experiment, 2);
  });

  it('without an addon is what Node.js knows, with the reason', async () => {
    const { diagnose } = fakes({ addon: null });
    const { verdict, summary, findings, ledger } = await diagnose();
    assert.equal(verdict, 'insufficient-data');
    assert.match(summary, /there is no addon here/);
    assert.deepEqual(ledger, INSPECTION.ledger);
    assert.equal(findings[0].code, 'insufficient-data');
    assert.ok(findings[0].actions.length > 0);
    assert.deepEqual((await diagnose({ experiment: true })).experiment, EXPERIMENT);
  });

  const FAILURES = {
    inspect: () => Promise.reject(Object.assign(new Error('no'), { code: 'GenericFailure' })),
    facts: () => {
      throw new Error('no');
    },
    addon: { diagnose: () => Promise.reject(new Error('no')) },
  };
  for (const [what, failure] of Object.entries(FAILURES)) {
    it(`that fails in ${what} rejects with a code of ours, and the next one is tried`, async () => {
      const { diagnose, calls } = fakes({ [what]: failure });
      await assert.rejects(diagnose(), { message: 'no', code: 'ERR_HEAPGAP_INTERNAL' });
      await assert.rejects(diagnose());
      assert.equal(calls.inspect, 2);
    });
  }

  it('keeps a code that is ours', async () => {
    const failure = Object.assign(new Error('no'), { code: 'ERR_HEAPGAP_THREAD' });
    const { diagnose } = fakes({ inspect: () => Promise.reject(failure) });
    await assert.rejects(diagnose(), { code: 'ERR_HEAPGAP_THREAD' });
  });

  const WRONG = [
    [{ experiment: 1 }, /^expected `experiment` to be a boolean, got number 1$/],
    [{ window: 600 }, /^expected `window` to be what watch\(\) answered, got number 600$/],
    [{ window: null }, /`window`.*got null$/],
    [{ window: { length: 3, durationMs: 5 } }, /`window`.*got object$/],
    [{ windows: 1 }, /^diagnose\(\) has no option `windows`; its options: /],
    ['experiment', /^expected `options` to be an object, got string "experiment"$/],
  ];
  for (const [options, message] of WRONG) {
    it(`refuses ${JSON.stringify(options)}`, async () => {
      const { diagnose, calls } = fakes();
      await assert.rejects(diagnose(options), {
        name: 'TypeError',
        code: /^ERR_HEAPGAP_/,
        message,
      });
      assert.equal(calls.inspect, 0);
    });
  }
});

describe('facts', () => {
  const promised = (LD_PRELOAD, MALLOC_CONF = '', live = 'glibc') =>
    promisedAllocator(live, { LD_PRELOAD, MALLOC_CONF });
  const CASES = [
    ['', '', undefined],
    ['/usr/lib/libjemalloc.so.2', '', 'jemalloc'],
    ['libjemalloc.so', '', 'jemalloc'],
    ['/opt/a.so:/opt/libmimalloc-secure.so', '', 'mimalloc'],
    ['/opt/a.so /usr/lib/libtcmalloc_minimal.so.4', '', 'tcmalloc'],
    ['/usr/lib/libasan.so.8', '', 'asan'],
    // The first one would serve.
    ['libmimalloc.so libjemalloc.so', 'narenas:2', 'mimalloc'],
    // heapgap could not tell whether this one is live.
    ['/usr/lib/libsnmalloc.so', '', undefined],
    ['/usr/lib/libhoard.so', 'narenas:2', undefined],
    ['', 'narenas:2', 'jemalloc'],
    ['/srv/jemalloc/agent.so', '', undefined],
    ['/srv/notjemalloc.so', '', undefined],
  ];
  for (const [list, conf, name] of CASES) {
    it(`LD_PRELOAD "${list}" and MALLOC_CONF "${conf}" promise ${name ?? 'nothing'}`, () => {
      const found = promised(list, conf);
      assert.equal(found?.name, name);
      if (name) assert.match(found.source, list ? /^LD_PRELOAD names / : /^MALLOC_CONF is /);
    });
  }

  it('of two in LD_PRELOAD the one that does not serve is the broken promise', () => {
    const both = '/opt/libmimalloc.so:/opt/libjemalloc.so.2';
    const { name, source } = promised(both, '', 'mimalloc');
    assert.deepEqual([name, source], ['jemalloc', 'LD_PRELOAD names /opt/libjemalloc.so.2']);
    assert.equal(promised(both, '', 'jemalloc').name, 'mimalloc');
    assert.equal(
      promised('/opt/libjemalloc.so.2:/opt/libjemalloc.so.1', '', 'jemalloc').name,
      'jemalloc',
    );
  });

  it('say which promise the process was started with', async (t) => {
    const libraries = preload(t, 'jemalloc 5.3.1');
    if (libraries === null) return;
    const code = `
      delete process.env.LD_PRELOAD;
      process.stdout.write(JSON.stringify(require('../lib/facts.js').facts()));`;
    const env = { LD_PRELOAD: libraries };
    const started = await finished(process.execPath, ['-e', code], { cwd: __dirname, env });
    const { expected, cpus, machineMemory } = JSON.parse(started.stdout);
    assert.deepEqual(expected, { name: 'jemalloc', source: `LD_PRELOAD names ${libraries}` });
    assert.ok(cpus >= 1);
    assert.equal(machineMemory, require('node:os').totalmem());
  });

  it('have the limit of descriptors that the shell set', async () => {
    const code = "process.stdout.write(String(require('../lib/facts.js').facts().fdLimit))";
    for (const limit of ['345', '1024']) {
      const command = [`ulimit -n ${limit}; exec "$0" "$@"`, process.execPath, '-e', code];
      const { stdout } = await finished('/bin/sh', ['-c', ...command], { cwd: __dirname });
      // Node.js raises its soft limit to the hard one at its start; `ulimit -n` sets both.
      assert.equal(stdout, limit);
    }
  });

  it('take a limit from no other text', () => {
    const line = 'Max open files            1024                 524288               files     \n';
    assert.equal(parseFdLimit(`Max processes   7  8  processes\n${line}`), 1024);
    assert.equal(parseFdLimit(line.replace('1024     ', 'unlimited')), null);
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        fc.pre(!/^Max open files/m.test(text));
        assert.equal(parseFdLimit(text), null);
      }),
    );
  });
});

describe('an experiment', () => {
  const state = (rss, heapUsed, arrayBuffers, allocated, dirty, muzzy) => ({
    process: { rss },
    v8: { heapUsed, arrayBuffers },
    allocator: { allocated, pinned: 4 },
    ledger: { parts: { dirty: { bytes: dirty }, muzzy: { bytes: muzzy } } },
  });
  const onStates = (...states) =>
    createExperiment({ inspect: async () => states.shift(), purge: async () => {} })();

  it('says what each step gave back', async () => {
    const start = state(900, 300, 200, 500, 20, 0);
    const { inspection, experiment } = await onStates(
      start,
      state(700, 100, 50, 300, 150, 30),
      state(530, 110, 50, 310, 0, 0),
    );
    assert.equal(inspection, start);
    const { steps, ...found } = experiment;
    assert.deepEqual(
      steps.map(({ step, rss }) => [step, rss]),
      [
        ['start', 900],
        ['gc', 700],
        ['purge', 530],
      ],
    );
    assert.ok(steps.every(({ durationMs }) => durationMs >= 0) && steps[1].durationMs > 0);
    assert.deepEqual(found, { garbage: 350, predicted: 180, released: 170, pinned: 4, live: 420 });
  });

  it('has null for what cannot be known, and none for less than no garbage', async () => {
    const unknown = state(null, 100, null, null, null, null);
    const { experiment } = await onStates(unknown, unknown, unknown);
    const { steps: _, pinned: __, ...found } = experiment;
    assert.deepEqual(found, { garbage: null, predicted: null, released: null, live: null });

    const grown = await onStates(
      state(500, 100, 0, 1, 5, null),
      state(600, 200, 0, 1, 5, null),
      state(700, 200, 0, 1, 0, null),
    );
    assert.equal(grown.experiment.garbage, 0);
    assert.equal(grown.experiment.released, -100);
    assert.equal(grown.experiment.predicted, 5);
  });
});

describe('in a real process', () => {
  before(installNodes, { timeout: 600_000 });

  for (const major of MAJORS) {
    for (const name of ['glibc', ...JEMALLOCS]) {
      it(`Node.js ${major} on ${name}: an experiment finds 100 MB of garbage and purges`, async (t) => {
        const libraries = preload(t, name);
        if (libraries === null) return;
        const { shared, gc, experiment, ledger, verdict } = await runChild('experiment.js', {
          node: binary(major),
          preload: libraries,
          args: [100],
          // What V8 frees stays until it is purged.
          env: { MALLOC_CONF: 'dirty_decay_ms:-1' },
        });
        assert.equal(shared, true);
        assert.deepEqual(gc, ['undefined', 'undefined', 'undefined']);
        assert.equal(typeof verdict, 'string');
        assert.equal(ledger.rss, experiment.steps[0].rss);
        const { garbage, predicted, released, pinned, live } = experiment;
        assert.equal(typeof pinned, 'number');
        assert.ok(garbage >= 80 * MB && garbage < 130 * MB, `garbage ${garbage / MB} MB`);
        assert.ok(released > 30 * MB, `released ${released / MB} MB`);
        assert.ok(live > MB && live < 60 * MB, `live ${live / MB} MB`);
        if (name === 'glibc') return;
        const share = released / predicted;
        assert.ok(share > 0.8 && share < 1.2, `${released / MB} of ${predicted / MB} MB`);
      });
    }
  }

  it('leaves the gc of a process that was given one', async () => {
    const nodeArgs = ['--expose-gc'];
    const { gc } = await runChild('experiment.js', { args: [10], nodeArgs });
    assert.deepEqual(gc, ['function', 'function', 'function']);
  });

  it('works in a worker thread, on its window', async () => {
    const worker = `
      const { parentPort } = require('node:worker_threads');
      const heapgap = require(${JSON.stringify(path.join(__dirname, '..'))});
      const watch = heapgap.watch();
      watch.sample();
      watch.sample();
      heapgap.diagnose({ experiment: true }).then((found) => {
        watch.stop();
        parentPort.postMessage(found);
      });`;
    const main = `
      const { Worker } = require('node:worker_threads');
      const worker = new Worker(${JSON.stringify(worker)}, { eval: true });
      worker.on('message', (found) => process.stdout.write(JSON.stringify(found)));`;
    const ended = await finished(process.execPath, ['-e', main]);
    assert.equal(ended.code, 0, ended.stderr);
    const found = JSON.parse(ended.stdout);
    assert.equal(found.window.samples, 3);
    assert.equal(found.experiment.steps.length, 3);
    assert.equal(typeof found.verdict, 'string');
  });

  it('leaves no process alive, and a purge of the experiment under way lets it exit', async () => {
    for (const code of [
      "require('..').diagnose({ experiment: true })",
      "require('..').diagnose({ experiment: true }); setImmediate(() => process.exit(0))",
    ]) {
      const ended = await finished(process.execPath, ['-e', code], { cwd: __dirname });
      assert.deepEqual([ended.code, ended.signal, ended.stderr], [0, null, '']);
    }
  });
});
