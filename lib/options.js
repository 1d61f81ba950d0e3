'use strict';

const { invalidArg, unknownOption } = require('./errors.js');

/** The longest time that a timer holds, in milliseconds (timers, setTimeout). */
const MAX_MS = 2 ** 31 - 1;

function readOption(name, { default: fallback, check, expected, secret }, value) {
  if (value === undefined) return fallback;
  if (!check(value)) throw invalidArg(name, expected, value, { secret });
  return value;
}

/**
 * Checks the options a caller was given and fills in the defaults.
 *
 * `spec` maps each option's name to `{ default, check, expected, secret? }`; `expected` is worded
 * for `invalidArg`. Only own enumerable properties count, so that a polluted Object.prototype
 * cannot configure anything, and each is read once, so that a getter cannot change its mind.
 */
function readOptions(spec, given, caller) {
  if (given === undefined) return readOptions(spec, {}, caller);
  if (given === null || typeof given !== 'object' || Array.isArray(given)) {
    throw invalidArg('options', 'an object', given);
  }
  const names = Object.keys(given);
  const known = Object.keys(spec);
  const unknown = names.find((name) => !known.includes(name));
  if (unknown !== undefined) throw unknownOption(unknown, known, caller);

  return Object.fromEntries(
    known.map((name) => {
      const value = names.includes(name) ? given[name] : undefined;
      return [name, readOption(name, spec[name], value)];
    }),
  );
}

/** An option that is true or false. */
const boolean = (fallback) => ({
  default: fallback,
  check: (value) => typeof value === 'boolean',
  expected: 'a boolean',
});

module.exports = { MAX_MS, boolean, readOptions };
