'use strict';

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { before, describe, it } = require('node:test');
const fc = require('fast-check');
const { NAMES, createWatch, isWatch, longestWatch, rowsOf } = require('../lib/watch.js');
const { finished, runChild } = require('./support/child.js');
const { MAJORS, binary, installNodes } = require('./support/nodes.js');

const LATER = { intervalMs: 1e6 };

/** A snapshot in which every figure is told from every other. */
const SNAPSHOT = {
  process: { rss: 1, anon: 2, file: 3, shmem: 4, threads: 5, fds: 6 },
  v8: { heapUsed: 7, heapTotal: 8, heapPhysical: 9, arrayBuffers: 10, external: 11 },
  allocator: {
    allocated: 12,
    active: 13,
    dirty: 14,
    muzzy: 15,
    metadata: 16,
    threadCaches: 17,
    free: 18,
  },
  cgroup: { usage: 19, reclaimable: 20 },
  resources: { Timeout: 20, TCPSocketWrap: 1 },
};

/** A watch on snapshots of the test's own, stopped after it. */
function watching(t, snapshot, options = LATER) {
  const watch = createWatch({ snapshot })(options);
  t.after(() => watch.stop());
  return watch;
}

function rows(watch) {
  const flat = rowsOf(watch);
  assert.equal(flat.length, watch.length * NAMES.length);
  return Array.from({ length: watch.length }, (_, row) =>
    Object.fromEntries(NAMES.map((name, column) => [name, flat[row * NAMES.length + column]])),
  );
}

describe('a row', () => {
  it('has each figure of the snapshot under its name', (t) => {
    const before = performance.timeOrigin + performance.now();
    const watch = watching(t, () => SNAPSHOT);
    const [{ time, ...figures }] = rows(watch);
    assert.ok(time >= before && time <= performance.timeOrigin + performance.now());
    assert.deepEqual(figures, {
      afterGc: 0,
      ...SNAPSHOT.process,
      ...SNAPSHOT.v8,
      ...SNAPSHOT.allocator,
      resources: 21,
      cgroupUsage: 19,
      cgroupReclaimable: 20,
      majorGcs: 0,
    });
  });

  it("has its columns in the order of Rust's", () => {
    const file = path.join(__dirname, '..', 'src', 'diagnosis', 'window.rs');
    const [, body] = /pub enum Column \{(.*?)\n\}/s.exec(fs.readFileSync(file, 'utf8'));
    const names = [...body.matchAll(/^ {4}([A-Z]\w*),/gm)].map(([, name]) => name);
    assert.deepEqual(
      names.map((name) => name[0].toLowerCase() + name.slice(1)),
      NAMES,
    );
  });

  it('has NaN for what is not known', (t) => {
    const unknown = (part) => Object.fromEntries(Object.keys(part).map((name) => [name, null]));
    const empty = Object.fromEntries(
      Object.entries(SNAPSHOT).map(([name, part]) => [name, unknown(part)]),
    );
    const [{ time, afterGc, majorGcs, ...figures }] = rows(
      watching(t, () => ({ ...empty, resources: null })),
    );
    assert.ok(time > 0 && afterGc === 0 && majorGcs === 0);
    for (const [name, figure] of Object.entries(figures)) assert.ok(Number.isNaN(figure), name);
  });

  const BROKEN = [
    () => {
      throw new Error('no');
    },
    () => undefined,
    () => null,
    () => ({}),
    () => ({ ...SNAPSHOT, process: null }),
  ];
  for (const snapshot of BROKEN) {
    it(`is taken all the same from ${snapshot}`.replace(/\s+/g, ' '), (t) => {
      const watch = watching(t, snapshot);
      watch.sample();
      assert.equal(watch.length, 2);
      for (const { time, rss } of rows(watch)) {
        assert.ok(time > 0);
        assert.ok(Number.isNaN(rss));
      }
    });
  }
});

describe('resources that snapshots leave out', () => {
  const without = () => ({ ...SNAPSHOT, resources: null });
  const counts = (watch) => rows(watch).map(({ resources }) => resources);

  it('are counted, when all that took long was a turn of another program', (t) => {
    const countResources = t.mock.fn(() => ({ Timeout: 7 }));
    const watch = createWatch({ snapshot: without, countResources })(LATER);
    t.after(() => watch.stop());
    assert.deepEqual(counts(watch), [7]);
    assert.deepEqual(countResources.mock.calls[0].arguments, [true]);
  });

  it('are counted for a thousandth of the time', (t) => {
    const countResources = t.mock.fn(() => {
      const started = performance.now();
      while (performance.now() - started < 5);
      return { Timeout: 70_000 };
    });
    const watch = createWatch({ snapshot: without, countResources })(LATER);
    t.after(() => watch.stop());
    watch.sample();
    watch.sample();
    assert.deepEqual(counts(watch), [70_000, Number.NaN, Number.NaN]);
    assert.equal(countResources.mock.callCount(), 1);
  });
});

describe('the window', () => {
  it('keeps the newest samples in the order of time, and no more than its capacity', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 20 }), fc.nat(70), (capacity, more) => {
        let taken = 0;
        const snapshot = () => {
          taken += 1;
          return { ...SNAPSHOT, process: { ...SNAPSHOT.process, rss: taken } };
        };
        const watch = createWatch({ snapshot })({ ...LATER, capacity });
        try {
          for (let i = 0; i < more; i++) watch.sample();
          const kept = rows(watch);
          const first = Math.max(1, taken - capacity + 1);
          assert.deepEqual(
            kept.map(({ rss }) => rss),
            Array.from({ length: taken - first + 1 }, (_, index) => first + index),
          );
          const times = kept.map(({ time }) => time);
          assert.deepEqual(times, times.toSorted?.((a, b) => a - b) ?? times);
          assert.equal(watch.durationMs, times.at(-1) - times[0]);
        } finally {
          watch.stop();
        }
      }),
    );
  });

  it('fills by itself', async (t) => {
    const parts = {};
    const full = new Promise((resolve) => Object.assign(parts, { resolve }));
    let taken = 0;
    const watch = watching(
      t,
      () => {
        taken += 1;
        if (taken === 5) parts.resolve();
        return SNAPSHOT;
      },
      { intervalMs: 10, capacity: 3 },
    );
    // The timer holds no process, so something else has to.
    const hold = setInterval(() => {}, 1000);
    await full;
    clearInterval(hold);
    assert.equal(watch.length, 3);
    assert.ok(watch.durationMs >= 2 * 9, `${watch.durationMs} ms`);
  });

  it('stays after stop(), and grows no more', (t) => {
    const watch = watching(t, () => SNAPSHOT);
    watch.sample();
    const kept = rowsOf(watch);
    watch.stop();
    watch.stop();
    watch.sample();
    assert.deepEqual(rowsOf(watch), kept);
    assert.equal(watch.length, 2);
  });

  it('is of one sample at the start, without a duration', (t) => {
    const watch = watching(t, () => SNAPSHOT);
    assert.equal(watch.length, 1);
    assert.equal(watch.durationMs, 0);
  });
});

describe('the watch that diagnose() takes', () => {
  it('is the running one with the longest window', (t) => {
    assert.equal(longestWatch(), null);
    const [first, second] = [watching(t, () => SNAPSHOT), watching(t, () => SNAPSHOT)];
    for (const watch of [first, second, first]) watch.sample();
    assert.equal(longestWatch(), first);
    first.stop();
    assert.equal(longestWatch(), second);
    second.stop();
    assert.equal(longestWatch(), null);
  });

  it('is told from anything else', (t) => {
    const watch = watching(t, () => SNAPSHOT);
    assert.equal(isWatch(watch), true);
    for (const other of [
      Object.create(watch),
      { ...watch },
      null,
      undefined,
      5,
      'watch',
      () => {},
    ]) {
      assert.equal(isWatch(other), false);
    }
  });
});

describe('options', () => {
  const WRONG = [
    [
      { intervalMs: 9 },
      /^expected `intervalMs` to be a number from 10 to 2147483647, got number 9$/,
    ],
    [{ intervalMs: 2 ** 31 }, /`intervalMs`.*got number 2147483648$/],
    [{ intervalMs: Number.NaN }, /`intervalMs`.*got number NaN$/],
    [{ intervalMs: '1s' }, /`intervalMs`.*got string "1s"$/],
    [{ capacity: 1 }, /^expected `capacity` to be an integer number from 2 to 5000, got number 1$/],
    [{ capacity: 100_001 }, /`capacity`.*got number 100001$/],
    [{ capacity: 2.5 }, /`capacity`.*got number 2.5$/],
    [{ capacity: null }, /`capacity`.*got null$/],
    [
      { interval: 5 },
      /^watch\(\) has no option `interval`; its options: `intervalMs`, `capacity`$/,
    ],
    [null, /^expected `options` to be an object, got null$/],
  ];
  for (const [options, message] of WRONG) {
    it(`refuses ${JSON.stringify(options)}`, () => {
      const { watch } = require('..');
      assert.throws(() => watch(options), { code: /^ERR_HEAPGAP_/, message });
      assert.equal(longestWatch(), null);
    });
  }

  it('takes the bounds', (t) => {
    for (const options of [
      { intervalMs: 10, capacity: 2 },
      { intervalMs: 2 ** 31 - 1, capacity: 5000 },
      {},
    ]) {
      assert.equal(watching(t, () => SNAPSHOT, options).length, 1);
    }
  });
});

describe('a process', () => {
  before(installNodes, { timeout: 600_000 });

  for (const major of MAJORS) {
    it(`on Node.js ${major}: collections, worker threads, ends`, async () => {
      const found = await runChild('watch.js', { node: binary(major), nodeArgs: ['--expose-gc'] });
      const after = (list) => list.filter(({ afterGc }) => afterGc === 1);
      assert.deepEqual(after(found.minor), []);
      // One in a quarter of the interval, however many there were.
      assert.equal(after(found.major).length, 1);
      assert.ok(found.major.at(-1).majorGcs >= 5);
      for (const row of [...found.major, ...found.worker.rows]) {
        assert.ok(row.rss > row.heapUsed && row.heapUsed > 0 && row.resources !== null);
        assert.ok(row.allocated > 0 && row.threads > 1);
      }
      assert.equal(found.left, 0);
      assert.equal(found.disposes, found.hasDispose);
      // The main thread's isolate holds a million objects, the worker's does not.
      assert.equal(found.worker.own, true);
      assert.ok(found.worker.rows[0].heapUsed < found.major.at(-1).heapUsed / 2);
    });
  }

  it('is not kept alive by a watch, nor held up in its exit', async () => {
    for (const code of [
      "require('..').watch({ intervalMs: 10 })",
      "require('..').watch(); process.exit()",
    ]) {
      const ended = await finished(process.execPath, ['-e', code], {
        cwd: __dirname,
        timeout: 30_000,
      });
      assert.deepEqual([ended.code, ended.signal, ended.stderr], [0, null, '']);
    }
  });
});
