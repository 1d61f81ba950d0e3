'use strict';

const assert = require('node:assert/strict');
const { describe, it } = require('node:test');
const fc = require('fast-check');
const { invalidArg } = require('../lib/errors.js');
const { readOptions } = require('../lib/options.js');
const { createRoute } = require('../lib/route.js');

const SPEC = {
  minIntervalMs: {
    default: 10_000,
    check: (value) => Number.isFinite(value) && value > 0,
    expected: 'a positive number',
  },
  name: {
    default: 'none',
    check: (value) => typeof value === 'string' && value !== '',
    expected: 'a non-empty string',
  },
  password: {
    default: undefined,
    check: (value) => typeof value === 'string' && value.length >= 16,
    expected: 'a string of at least 16 characters',
    secret: true,
  },
};

const read = (given) => readOptions(SPEC, given, 'watch');

describe('invalidArg', () => {
  const WRONG_TYPES = [
    ['5s', 'got string "5s"'],
    [null, 'got null'],
    [undefined, 'got undefined'],
    [{ secret: 1 }, 'got object'],
    [[1], 'got array'],
    [() => 1, 'got function'],
    [Symbol('s'), 'got symbol'],
    [true, 'got boolean true'],
    [5n, 'got bigint 5'],
    ['x'.repeat(41), `got string "${'x'.repeat(40)}…"`],
    ['a\n"b"', 'got string "a\\n\\"b\\""'],
  ];
  for (const [value, got] of WRONG_TYPES) {
    it(`is a TypeError that ends in: ${got}`, () => {
      const error = invalidArg('minIntervalMs', 'a positive number', value);
      assert.ok(error instanceof TypeError);
      assert.equal(error.code, 'ERR_HEAPGAP_INVALID_ARG_TYPE');
      assert.equal(error.message, `expected \`minIntervalMs\` to be a positive number, ${got}`);
    });
  }

  for (const value of [-1, Number.NaN, Number.POSITIVE_INFINITY]) {
    it(`is a RangeError for the right type with the wrong value ${value}`, () => {
      const error = invalidArg('minIntervalMs', 'a positive number', value);
      assert.ok(error instanceof RangeError);
      assert.equal(error.code, 'ERR_HEAPGAP_INVALID_ARG_VALUE');
      assert.match(error.message, new RegExp(`, got number ${value}$`));
    });
  }

  it('shows of a token its type and length only', () => {
    const { message } = invalidArg('token', 'a string of at least 16 characters', 'hunter2');
    assert.match(message, /, got string of 7 characters$/);
    assert.match(invalidArg('token', 'a string', 123_456).message, /, got number$/);
  });
});

describe('readOptions', () => {
  it('fills in defaults for what is missing or undefined', () => {
    const defaults = { minIntervalMs: 10_000, name: 'none', password: undefined };
    assert.deepEqual(read(undefined), defaults);
    assert.deepEqual(read({}), defaults);
    assert.deepEqual(read({ name: undefined, password: undefined }), defaults);
  });

  it('keeps valid values', () => {
    const given = { minIntervalMs: 5, name: 'a', password: 'x'.repeat(16) };
    assert.deepEqual(read(given), given);
  });

  for (const given of [null, 5, 'text', true, [], () => {}, Symbol('s')]) {
    it(`refuses ${String(given) || 'an array'} as options`, () => {
      assert.throws(() => read(given), {
        name: 'TypeError',
        code: 'ERR_HEAPGAP_INVALID_ARG_TYPE',
        message: /^expected `options` to be an object, got /,
      });
    });
  }

  it('names the options there are when one is unknown', () => {
    assert.throws(() => read({ minInterval: 5 }), {
      name: 'TypeError',
      code: 'ERR_HEAPGAP_UNKNOWN_OPTION',
      message: /^watch\(\) has no option `minInterval`; its options: /,
    });
    assert.throws(() => read({ PASWORD: 'x' }), { message: /its options: .*`password`/ });
  });

  for (const name of ['__proto__', 'constructor', 'hasOwnProperty']) {
    it(`refuses an own property called ${name}`, () => {
      const given = JSON.parse(`{"${name}": {"password": "polluted"}}`);
      assert.throws(() => read(given), { code: 'ERR_HEAPGAP_UNKNOWN_OPTION' });
    });
  }

  it('does not let a polluted prototype configure anything', () => {
    const inherited = Object.create({ name: 'inherited', unknown: 1 });
    assert.equal(read(inherited).name, 'none');
    assert.equal(read(Object.defineProperty({}, 'name', { value: 'hidden' })).name, 'none');
  });

  it('lets the error of a getter through, and reads each option once', () => {
    const failure = new Error('from the getter');
    const throwing = {
      get name() {
        throw failure;
      },
    };
    assert.throws(
      () => read(throwing),
      (error) => error === failure,
    );

    let reads = 0;
    const fickle = {
      get name() {
        reads += 1;
        return reads === 1 ? 'first' : 5;
      },
    };
    assert.equal(read(fickle).name, 'first');
    assert.equal(reads, 1);
  });

  it('never shows a secret', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 14 }), (rest) => {
        assert.throws(
          () => read({ password: `§${rest}` }),
          ({ message }) => !message.includes('§'),
        );
      }),
    );
  });
});

describe('any garbage', () => {
  const garbage = fc.oneof(
    fc.anything({ withBigInt: true, withDate: true, withNullPrototype: true, withMap: true }),
    fc.func(fc.anything()),
    fc.string({ unit: 'binary', maxLength: 200 }),
    fc.double(),
  );

  function readsOrNames(run, names) {
    try {
      return run();
    } catch (error) {
      assert.ok(error instanceof TypeError || error instanceof RangeError, String(error));
      assert.match(error.code, /^ERR_HEAPGAP_/);
      assert.ok(
        names.some((name) => error.message.includes(`\`${name}\``)),
        error.message,
      );
      return undefined;
    }
  }

  it('for a known option is either taken or refused by name', () => {
    fc.assert(
      fc.property(fc.constantFrom(...Object.keys(SPEC)), garbage, (name, value) => {
        const options = readsOrNames(() => read({ [name]: value }), [name]);
        if (options === undefined) return;
        assert.deepEqual(Object.keys(options), Object.keys(SPEC));
        assert.ok(value === undefined || Object.is(options[name], value));
      }),
    );
  });

  it('for the options as a whole is either taken or refused', () => {
    fc.assert(
      fc.property(garbage, (given) => {
        const keys = given !== null && typeof given === 'object' ? Object.keys(given) : [];
        const shown = keys.map((key) => (key.length > 40 ? `${key.slice(0, 40)}…` : key));
        readsOrNames(() => read(given), ['options', ...shown]);
      }),
    );
  });

  it('for an option of route() is either taken or refused by name', () => {
    const route = createRoute({ snapshot: () => ({}), purge: () => {}, refresh: () => {} });
    const names = ['path', 'authorize', 'token', 'minIntervalMs', 'heapSnapshot'];
    fc.assert(
      fc.property(fc.constantFrom(...names), garbage, (name, value) => {
        const handler = readsOrNames(() => route({ [name]: value }), [name]);
        assert.ok(handler === undefined || typeof handler === 'function');
      }),
    );
  });
});
