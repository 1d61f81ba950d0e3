'use strict';
// What the page works with, without a browser: its words, its units, its history.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { before, describe, it } = require('node:test');

const heapgap = require('../index.js');

const FOLDER = path.join(__dirname, '..', 'dashboard');
const load = (name) => import(path.join(FOLDER, name));
const source = (name) => fs.readFileSync(path.join(FOLDER, name), 'utf8');

const COLUMNS = [
  'time',
  'rss',
  'purges',
  'released',
  'governorPurges',
  'governorReleased',
  'governorLevel',
  'collections',
  'oomKills',
  'ledger',
];
const QUIET = {
  rss: 100,
  purges: 0,
  released: 0,
  governorPurges: null,
  governorReleased: null,
  governorLevel: null,
  collections: null,
  oomKills: 0,
  ledger: null,
};

const rowOf = (sample) => COLUMNS.map((name) => ({ ...QUIET, ...sample })[name]);

describe('the words', () => {
  it('explain every part of the ledger, once', async () => {
    const { GROUPS } = await load('parts.mjs');
    const named = GROUPS.flatMap(({ parts }) => Object.keys(parts));
    const known = Object.keys(heapgap.snapshot().ledger.parts);
    assert.deepEqual(named.toSorted(), known.toSorted());
  });

  it('have a title for every verdict of index.d.ts', () => {
    const types = fs.readFileSync(path.join(__dirname, '..', 'index.d.ts'), 'utf8');
    const [, union] = /export type DiagnosisCode =([^;]+);/.exec(types);
    const codes = [...union.matchAll(/'([a-z-]+)'/g)].map(([, code]) => code);
    assert.ok(codes.length > 10);
    const [, titles] = /const TITLES = \{([^}]+)\}/.exec(source('verdict.mjs'));
    const titled = [...titles.matchAll(/^ {2}'?([a-z-]+)'?:/gm)].map(([, code]) => code);
    assert.deepEqual(titled.toSorted(), codes.toSorted());
  });

  it('have a colour for every part and line', async () => {
    const { GROUPS } = await load('parts.mjs');
    const inks = [...source('app.mjs').matchAll(/ink: '([a-z0-9]+)'/g)].map(([, ink]) => ink);
    const style = source('page.css');
    for (const ink of [...GROUPS.map(({ key }) => key), ...inks]) {
      assert.equal(style.match(new RegExp(`--${ink}:`, 'g'))?.length, 2, `${ink}: light and dark`);
      assert.match(style, new RegExp(`\\.ink-${ink} {`));
    }
  });
});

describe('units', () => {
  let format;
  before(async () => {
    format = await load('format.mjs');
  });

  it('are of 1024, with the digits that show growth', () => {
    const cases = [
      [0, '0 bytes'],
      [1023, '1023 bytes'],
      [1024, '1.00 KB'],
      [10 * 1024, '10.0 KB'],
      [385 * 2 ** 20, '385 MB'],
      [1.5 * 2 ** 30, '1.50 GB'],
      [-2 * 2 ** 20, '−2.00 MB'],
      [2 ** 50, '1024 TB'],
      [2 ** 20 - 1, '1.00 MB'],
      [2 ** 30 - 1, '1.00 GB'],
    ];
    for (const [size, text] of cases) assert.equal(format.bytes(size), text);
  });

  it('leave a gap where nothing is known', () => {
    for (const name of ['bytes', 'count', 'percent', 'duration']) {
      for (const unknown of [null, undefined, Number.NaN]) assert.equal(format[name](unknown), '—');
    }
    assert.equal(format.exact(null), 'not known');
  });

  it('of evidence follow its unit', () => {
    assert.equal(format.measured(2 ** 20, 'bytes'), '1.00 MB');
    assert.equal(format.measured(2 ** 20, 'bytes/s'), '1.00 MB per s');
    assert.equal(format.measured(0.256, 'ratio'), '26 %');
    assert.equal(format.measured(-1, 'ms'), '−1 ms');
    assert.equal(format.measured('never', 'text'), 'never');
    assert.equal(format.measured(null, 'count'), '—');
  });
});

describe('history', () => {
  let History;
  before(async () => {
    ({ History } = await load('history.mjs'));
  });

  function historyOf(...samples) {
    const history = new History();
    history.merge({ columns: COLUMNS, rows: samples.map(rowOf) });
    return history;
  }

  it('tells events from the steps of counters', () => {
    const governed = {
      governorPurges: 2,
      governorReleased: 5,
      governorLevel: 'calm',
      collections: 0,
    };
    const history = historyOf(
      { time: 1000, ...governed },
      { time: 2000, ...governed, purges: 1, released: 70 },
      { time: 3000, ...governed, purges: 1, released: 70, governorPurges: 5, governorReleased: 35 },
      {
        time: 4000,
        ...governed,
        purges: 1,
        released: 70,
        governorPurges: 5,
        governorReleased: 35,
        governorLevel: 'pressure',
        collections: 1,
      },
      {
        time: 5000,
        ...governed,
        purges: 1,
        released: 70,
        governorPurges: 5,
        governorReleased: 35,
        governorLevel: 'pressure',
        collections: 1,
        oomKills: 2,
      },
    );
    assert.deepEqual(
      history.events.map(({ time, kind, what, returned }) => [time, kind, what, returned]),
      [
        [2000, 'purge', 'Purge', 70],
        [3000, 'governor', 'The governor purged 3 times', 30],
        [4000, 'collection', 'The governor had V8 collect garbage', null],
        [4000, 'level', 'The governor’s level: calm → pressure', null],
        [5000, 'oom', 'The OOM killer ended 2 processes of this container', null],
      ],
    );
  });

  it('makes no event of what begins or ends to be known', () => {
    const history = historyOf(
      { time: 1000 },
      {
        time: 2000,
        governorPurges: 7,
        governorReleased: 9,
        governorLevel: 'calm',
        collections: 3,
        oomKills: null,
        released: null,
      },
      { time: 3000, oomKills: 4, purges: 1, released: null },
    );
    assert.deepEqual(
      history.events.map(({ kind, returned }) => [kind, returned]),
      [['purge', null]],
      'what a purge returned is not known, and is no 0',
    );
  });

  it('tells what was returned only where that is known', async () => {
    const { eventsBetween } = await load('history.mjs');
    const counters = {
      purge: ['purges', 'released'],
      governor: ['governorPurges', 'governorReleased'],
    };
    for (const [kind, [purges, released]] of Object.entries(counters)) {
      const at = (count, size) => ({ ...QUIET, [purges]: count, [released]: size });
      for (const [before, after, returned] of [
        [5, 8, 3],
        [5, 5, 0],
        [5, null, null],
        [null, 8, null],
        [null, null, null],
      ]) {
        const events = eventsBetween(at(1, before), at(2, after));
        assert.deepEqual(
          events.map((event) => [event.kind, event.returned]),
          [[kind, returned]],
        );
      }
    }
  });

  it('holds a ledger until the next, and not without end', () => {
    const history = historyOf(
      { time: 1000 },
      { time: 2000, ledger: { v8Heap: 5 } },
      { time: 3000 },
      { time: 70_000 },
    );
    assert.deepEqual(
      history.samples.map(({ ledger }) => ledger?.v8Heap ?? null),
      [null, 5, 5, null],
    );
  });

  it('takes no sample twice, and none that is older than the last', () => {
    const history = historyOf({ time: 1000 }, { time: 2000 });
    history.add(rowOf({ time: 2000, rss: 1 }));
    history.add(rowOf({ time: 1500, rss: 1 }));
    assert.deepEqual(
      history.samples.map(({ time, rss }) => [time, rss]),
      [
        [1000, 100],
        [2000, 100],
      ],
    );
  });

  it('keeps what it knows when the server tells its part again', () => {
    const history = historyOf({ time: 1000 }, { time: 2000, purges: 1 });
    history.merge({
      columns: COLUMNS,
      rows: [{ time: 2000, purges: 1 }, { time: 3000 }].map(rowOf),
    });
    assert.deepEqual(
      history.samples.map(({ time }) => time),
      [1000, 2000, 3000],
    );
    assert.equal(history.events.length, 1);
  });

  it('begins again where the clock was set back', () => {
    const history = historyOf({ time: 60_000 }, { time: 61_000 });
    history.add(rowOf({ time: 2000 }));
    assert.deepEqual(
      history.samples.map(({ time }) => time),
      [2000],
    );
  });

  it('is bounded', () => {
    const history = historyOf({ time: 1 });
    for (let time = 2; time < 5000; time += 1) history.add(rowOf({ time, purges: time }));
    assert.equal(history.samples.length, 3600);
    assert.ok(history.events.length <= 3600, `${history.events.length} events`);
  });

  it('gives what is asked for of the last time, with a gap where nobody looked', () => {
    const history = historyOf(
      { time: 1000 },
      { time: 50_000 },
      { time: 51_000 },
      { time: 90_000, rss: 7 },
    );
    const { times, values, samples } = history.columns(45_000, [({ rss }) => rss]);
    assert.deepEqual(times, [50, 51, 52, 90]);
    assert.deepEqual(values, [[100, 100, null, 7]]);
    assert.equal(samples[2].isGap, true);
  });

  it('stacks the groups of a ledger', async () => {
    const { stackReaders } = await load('history.mjs');
    const { GROUPS } = await load('parts.mjs');
    const readers = stackReaders(GROUPS);
    const sample = { ledger: { code: 40, v8Heap: 10, v8Workers: null, dirty: 5 } };
    assert.deepEqual(
      readers.map((read) => read(sample)),
      [40, 50, 50, 50, 50, 55, 55],
    );
    const { groupBytes } = await load('parts.mjs');
    assert.deepEqual(groupBytes(sample.ledger), [40, 10, null, null, null, 5, null], 'no 0');
    assert.deepEqual(
      readers.map((read) => read({ ledger: null })),
      GROUPS.map(() => null),
    );
  });
});
