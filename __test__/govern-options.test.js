'use strict';
// What govern() takes, what it refuses, and that there is one a process.

const assert = require('node:assert/strict');
const { EventEmitter } = require('node:events');
const { afterEach, describe, it } = require('node:test');
const fc = require('fast-check');
const { govern, snapshot } = require('../index.js');
const lib = require('../lib/govern.js');
const { governing, until } = require('./support/govern.js');

const MAX_MS = 2 ** 31 - 1;
const SHARES = ['pressureMark', 'calmMark', 'limitMark', 'dirtyMark'];
const TIMES = ['calmAfterMs', 'purgeEveryMs', 'minIntervalMs', 'maxIntervalMs'];
const NAMES = ['limit', ...SHARES, ...TIMES, 'gc'];

const started = [];

function start(...args) {
  const governor = govern(...args);
  started.push(governor);
  return governor;
}

afterEach(async () => {
  await Promise.all(started.splice(0).map((governor) => governor.stop()));
});

/** A refused call leaves nothing behind: nothing runs, and the next is taken. */
async function assertNothingRuns() {
  assert.notEqual(snapshot().governor?.running, true);
  await until(() => governing() === 0, 'the end of every governor');
}

async function assertRefused(options, name, code, message) {
  assert.throws(() => start(options), { name, code, message });
  await assertNothingRuns();
}

const TYPE = ['TypeError', 'ERR_HEAPGAP_INVALID_ARG_TYPE'];
const RANGE = ['RangeError', 'ERR_HEAPGAP_INVALID_ARG_VALUE'];

describe('govern() refuses', () => {
  for (const options of [null, 5, 'text', true, [], () => {}, Symbol('s'), 5n]) {
    it(`${Array.isArray(options) ? 'an array' : String(options)} as options`, () =>
      assertRefused(options, ...TYPE, /^expected `options` to be an object, got /));
  }

  for (const name of NAMES) {
    const wrong = [null, '1', [0.5], {}, () => 1, Symbol('s'), 1n];
    if (name !== 'gc') wrong.push(true);
    for (const value of wrong) {
      const shown = Array.isArray(value) ? 'an array' : String(value);
      it(`${shown} (${typeof value}) for ${name}`, () =>
        assertRefused({ [name]: value }, ...TYPE, new RegExp(`^expected \`${name}\` to be `)));
    }
  }

  const OUTSIDE = [
    ['limit', [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53]],
    ...SHARES.map((name) => [name, [0, -0.1, 1.000_001, 80, Number.NaN, Number.POSITIVE_INFINITY]]),
    ['calmAfterMs', [-1, MAX_MS + 1, Number.NaN, Number.POSITIVE_INFINITY]],
    ['purgeEveryMs', [-1, MAX_MS + 1, Number.NaN]],
    ['minIntervalMs', [0, 0.9, -1, MAX_MS + 1, Number.NaN]],
    ['maxIntervalMs', [0, -1, MAX_MS + 1, Number.NEGATIVE_INFINITY]],
  ];
  for (const [name, values] of OUTSIDE) {
    for (const value of values) {
      it(`${value} for ${name}`, () =>
        assertRefused(
          { [name]: value },
          ...RANGE,
          new RegExp(`^expected \`${name}\` to be .*got`),
        ));
    }
  }
  for (const value of [0, 1, Number.NaN]) {
    it(`the number ${value} for gc`, () =>
      assertRefused({ gc: value }, ...TYPE, /^expected `gc` to be a boolean, got number/));
  }

  for (const name of ['pressuremark', 'limitBytes', '', 'toString', '__proto__', 'constructor']) {
    it(`an option called ${JSON.stringify(name)}`, async () => {
      const options = JSON.parse(`{${JSON.stringify(name)}: 1}`);
      await assertRefused(
        options,
        'TypeError',
        'ERR_HEAPGAP_UNKNOWN_OPTION',
        /^govern\(\) has no option `.*`; its options: .*`pressureMark`.*`gc`/,
      );
    });
  }

  const DISORDER = [
    [{ calmMark: 0.9 }, 'calmMark'],
    [{ pressureMark: 0.6 }, 'calmMark'],
    [{ pressureMark: 0.95 }, 'pressureMark'],
    [{ limitMark: 0.75 }, 'pressureMark'],
    [{ calmMark: 0.5, pressureMark: 0.499 }, 'calmMark'],
    [{ minIntervalMs: 1001 }, 'minIntervalMs'],
    [{ maxIntervalMs: 4 }, 'minIntervalMs'],
  ];
  for (const [options, name] of DISORDER) {
    it(`what is out of order: ${JSON.stringify(options)}`, () =>
      assertRefused(
        options,
        ...RANGE,
        new RegExp(`^expected \`${name}\` to be a number up to \``),
      ));
  }
});

describe('govern() takes', () => {
  const GOOD = [
    undefined,
    {},
    Object.fromEntries(NAMES.map((name) => [name, undefined])),
    { calmMark: 0.8, pressureMark: 0.8, limitMark: 0.8 },
    { minIntervalMs: 7, maxIntervalMs: 7 },
    { calmAfterMs: 0, purgeEveryMs: 0, minIntervalMs: 1, maxIntervalMs: MAX_MS },
    { calmAfterMs: MAX_MS, purgeEveryMs: MAX_MS },
    { limit: 1 },
    { limit: Number.MAX_SAFE_INTEGER },
    { dirtyMark: Number.MIN_VALUE },
    { calmMark: Number.MIN_VALUE, pressureMark: 1, limitMark: 1 },
    { gc: false },
    { gc: true },
    Object.assign(Object.create(null), { calmMark: 0.5 }),
  ];
  for (const options of GOOD) {
    it(`${JSON.stringify(options)}`, async () => {
      const governor = start(options);
      assert.ok(governor instanceof EventEmitter);
      await until(() => governor.state().limit !== null, 'a first look');
      const state = governor.state();
      assert.equal(state.running, true);
      assert.ok(state.usage > 0, `${state.usage}`);
      assert.equal(globalThis.gc, undefined);
      await governor.stop();
      assert.equal(governor.state().running, false);
      await assertNothingRuns();
    });
  }

  it('nothing from a prototype, polluted or not', async () => {
    const names = { limit: 'polluted', gc: 'polluted', pollutedName: 1 };
    Object.assign(Object.prototype, names);
    try {
      const governor = start({});
      await governor.stop();
      await start(Object.create({ calmMark: 7 })).stop();
    } finally {
      for (const name of Object.keys(names)) delete Object.prototype[name];
    }
  });

  it('a getter once, whatever it would say later', async () => {
    let reads = 0;
    const options = {
      get calmMark() {
        reads += 1;
        return reads === 1 ? 0.5 : 'no number';
      },
    };
    await start(options).stop();
    assert.equal(reads, 1);
  });

  it('no getter that throws: its error comes through, and nothing runs', async () => {
    const failure = new Error('from the getter');
    const options = {
      get gc() {
        throw failure;
      },
    };
    assert.throws(
      () => start(options),
      (error) => error === failure,
    );
    await assertNothingRuns();
  });
});

describe('any object', () => {
  const share = fc.oneof(fc.double(), fc.double({ min: 0, max: 1 }));
  const time = fc.oneof(fc.integer(), fc.double({ min: 0, max: 3e9 }));
  const often = (arbitrary) =>
    fc.oneof({ weight: 3, arbitrary }, { weight: 1, arbitrary: fc.anything() });
  const known = fc.record(
    {
      limit: often(fc.integer({ min: 1 })),
      gc: often(fc.boolean()),
      ...Object.fromEntries(SHARES.map((name) => [name, often(share)])),
      ...Object.fromEntries(TIMES.map((name) => [name, often(time)])),
    },
    { requiredKeys: [] },
  );
  const KINDS = {
    ERR_HEAPGAP_INVALID_ARG_TYPE: TypeError,
    ERR_HEAPGAP_INVALID_ARG_VALUE: RangeError,
    ERR_HEAPGAP_UNKNOWN_OPTION: TypeError,
  };

  it('gives a governor, or an error that names the option', async () => {
    const seen = { taken: 0, refused: 0 };
    const property = fc.asyncProperty(fc.oneof(known, fc.object()), async (options) => {
      try {
        const governor = start(options);
        assert.equal(governor.state().running, true);
        await governor.stop();
        seen.taken += 1;
      } catch (error) {
        if (error instanceof assert.AssertionError) throw error;
        assert.ok(error instanceof KINDS[error.code], `${error.stack}`);
        const [, name] = /^(?:expected|govern\(\) has no option) `([^`]*)`/.exec(error.message);
        const isGiven = (given) => given === name || given.startsWith(name.replace(/…$/, ''));
        // One of a pair may be a default.
        assert.ok(NAMES.includes(name) || Object.keys(options).some(isGiven), error.message);
        seen.refused += 1;
      }
      assert.equal(snapshot().governor?.running ?? false, false);
    });
    await fc.assert(property, { numRuns: 500 });
    assert.ok(seen.taken > 10 && seen.refused > 10, JSON.stringify(seen));
    await assertNothingRuns();
  });
});

describe('one a process', () => {
  const ALREADY = { name: 'Error', code: 'ERR_HEAPGAP_ALREADY_GOVERNED' };

  it('a second call is refused, and the first goes on', async () => {
    const first = start({ limit: 2 ** 40 });
    assert.throws(() => start(), ALREADY);
    assert.throws(() => start({ gc: true }), ALREADY);
    assert.equal(first.state().running, true);
    await until(() => governing() === 1, 'one thread');
    await until(() => first.state().limit !== null, 'a first look');
    await first.stop();
    await assertNothingRuns();
  });

  it('a bad option is told before that one runs already', () => {
    start();
    assert.throws(() => start({ calmMark: 2 }), { code: 'ERR_HEAPGAP_INVALID_ARG_VALUE' });
  });

  it('after stop() another may start, without waiting for it too', async () => {
    for (let round = 0; round < 3; round++) {
      await start().stop();
      const chained = start().stop();
      const last = start();
      assert.equal(last.state().running, true);
      await chained;
      assert.equal(last.state().running, true, 'the other stop() was not meant for it');
      await last.stop();
    }
    await assertNothingRuns();
  });

  it('stop() of one that was stopped leaves its successor alone', async () => {
    const first = start();
    await first.stop();
    const second = start();
    await first.stop();
    assert.equal(second.state().running, true);
  });

  it('stop() answers the same promise each time, of undefined', async () => {
    const governor = start();
    const answers = Array.from({ length: 50 }, () => governor.stop());
    for (const answer of answers) assert.equal(answer, answers[0]);
    assert.equal(await answers[0], undefined);
  });

  it('await using ends it, where there is such a thing', {
    skip: !Symbol.asyncDispose,
  }, async () => {
    const governor = start();
    await governor[Symbol.asyncDispose]();
    assert.equal(governor.state().running, false);
  });

  it('one that is replaceable gives way, once', async () => {
    const replaceable = lib.govern(undefined, { replaceable: true });
    const own = start({ calmMark: 0.5 });
    assert.equal(own.state().running, true);
    assert.throws(() => start(), ALREADY);
    await replaceable.stop();
    assert.equal(own.state().running, true, 'it was no longer the replaceable one that ran');
    await until(() => governing() === 1, 'the end of the one that gave way');
  });

  it('one that is replaceable does not give way to a bad call', async () => {
    const replaceable = lib.govern(undefined, { replaceable: true });
    assert.throws(() => start({ calmMark: 2 }), { code: 'ERR_HEAPGAP_INVALID_ARG_VALUE' });
    assert.equal(replaceable.state().running, true);
    await replaceable.stop();
  });

  it("one that is replaceable does not replace the program's own", () => {
    const own = start();
    assert.throws(() => lib.govern(undefined, { replaceable: true }), ALREADY);
    assert.equal(own.state().running, true);
  });
});
