'use strict';

const { invalidArg, shorten, unknownOption } = require('./errors.js');

const MAX_SUGGESTIONS = 3;

/** Levenshtein's distance: how many characters to insert, delete or replace. */
function editDistance(from, to) {
  let row = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (const [index, character] of [...from].entries()) {
    const next = [index + 1];
    for (let column = 1; column <= to.length; column++) {
      const replaced = row[column - 1] + (character === to[column - 1] ? 0 : 1);
      next.push(Math.min(replaced, row[column] + 1, next[column - 1] + 1));
    }
    row = next;
  }
  return row[to.length];
}

function nearest(name, known) {
  // Shortened, because the work grows with the length of a name that the caller chose.
  const wanted = shorten(name).toLowerCase();
  const distance = (option) => editDistance(wanted, option.toLowerCase());
  return known.toSorted((a, b) => distance(a) - distance(b)).slice(0, MAX_SUGGESTIONS);
}

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
  if (unknown !== undefined) throw unknownOption(unknown, nearest(unknown, known), caller);

  return Object.fromEntries(
    known.map((name) => {
      const value = names.includes(name) ? given[name] : undefined;
      return [name, readOption(name, spec[name], value)];
    }),
  );
}

module.exports = { readOptions };
