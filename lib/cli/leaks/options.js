'use strict';
// What the command line asks for.

const { parseArgs } = require('node:util');

const { plain } = require('../../doctor/report.js');
const { SAMPLE_BYTES } = require('../../profiler/calls.js');
const { formatOf } = require('../profile/options.js');

const OPTIONS = {
  // Node.js itself, and V8, keep up to 5 MB of what programs without leaks have them load.
  'max-bytes': { type: 'string', default: String(2 ** 23) },
  'sample-bytes': { type: 'string', default: String(2 ** 14) },
  output: { type: 'string' },
};

function readNumber(name, text, { check, expected }) {
  const number = /^\d{1,15}$/.test(text) ? Number(text) : NaN;
  if (check(number)) return number;
  throw new Error(`expected \`--${name}\` to be ${expected}, got ${plain(text)}`);
}

const AT_LEAST_0 = { check: (value) => value >= 0, expected: 'a number of bytes, from 0' };

const readOutput = (name) =>
  name === undefined ? { output: null, format: null } : { output: name, format: formatOf(name) };

/** Our own words, and the command's: all from the first that is no option of ours. */
function separate(words) {
  let at = 0;
  while (at < words.length && words[at].startsWith('--') && words[at] !== '--') {
    at += words[at].includes('=') || !Object.hasOwn(OPTIONS, words[at].slice(2)) ? 1 : 2;
  }
  const end = Math.min(at, words.length);
  return { own: words.slice(0, end), command: words.slice(words[end] === '--' ? end + 1 : end) };
}

/** Throws what is wrong with it. */
function parse(words) {
  const { own, command } = separate(words);
  const { values } = parseArgs({ args: own, options: OPTIONS });
  if (command.length === 0)
    throw new Error('leaks needs a command, such as: heapgap leaks -- node test.js');
  return {
    command,
    maxBytes: readNumber('max-bytes', values['max-bytes'], AT_LEAST_0),
    sampleBytes: readNumber('sample-bytes', values['sample-bytes'], SAMPLE_BYTES),
    ...readOutput(values.output),
  };
}

module.exports = { parse };
