'use strict';
// How jemalloc reads its options. The quick look loads this too: it requires nothing.

/** `{ pairs: [{ key, value, text }], malformed, rest }`: pairs up to the first that is malformed (conf_next). */
function parseConf(text) {
  const pairs = [];
  let rest = text;
  while (rest !== '') {
    const key = /^[A-Za-z0-9_]*/.exec(rest)[0];
    const after = rest[key.length];
    if (after === undefined) return { pairs, malformed: `it ends with the key ${key}`, rest };
    if (after !== ':' || key === '') {
      return { pairs, malformed: `a key and a colon are expected at "${rest}"`, rest };
    }
    const value = rest.slice(key.length + 1).split(',', 1)[0];
    pairs.push({ key, value, text: `${key}:${value}` });
    const end = key.length + 1 + value.length;
    if (rest.length === end + 1) return { pairs, malformed: 'it ends with a comma', rest: ',' };
    rest = rest.slice(end + 1);
  }
  return { pairs, malformed: null, rest: '' };
}

/** White space first, then a sign; a leading 0 means octal, 0x hexadecimal (malloc_strtoumax). */
const NUMBER = /^[ \t\n\v\f\r]*([+-]?)(0x[0-9a-f]+|0[0-7]+|0|[1-9]\d*)$/i;

/** The number that jemalloc reads, or `null`. */
function numberOf(value) {
  const [, sign, digits] = NUMBER.exec(value) ?? [];
  if (digits === undefined) return null;
  const size = /^0\d/.test(digits) ? Number.parseInt(digits, 8) : Number(digits);
  return sign === '-' ? -size : size;
}

/** Whether the option that is in force is what was asked for; what cannot be read back is taken to be. */
function agrees(asked, inForce) {
  if (inForce === null || inForce === undefined || asked === 'default') return true;
  if (typeof inForce === 'number') return numberOf(asked) === inForce;
  return asked === String(inForce);
}

module.exports = { agrees, parseConf };
