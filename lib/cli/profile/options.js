'use strict';
// What the command line asks for.

const { parseArgs } = require('node:util');

const { plain } = require('../../doctor/report.js');
const { fileName } = require('../../file-name.js');
const { parseAddress } = require('../watch/target.js');

/** How the route answers with each, and what its files are called. */
const FORMATS = {
  flamegraph: { type: 'image/svg+xml', extension: '.svg' },
  pprof: { type: 'application/octet-stream', extension: '.pb.gz' },
};

const OPTIONS = {
  seconds: { type: 'string', default: '30' },
  format: { type: 'string' },
  output: { type: 'string' },
};

function readUrl(words) {
  const expected = 'one address such as http://localhost:3000/debug/memory is expected';
  if (words.length !== 1) throw new Error(expected);
  const url = parseAddress(words[0]);
  if (url === null) throw new Error(`${expected}, got ${plain(words[0])}`);
  return url;
}

/** How many are too many, the route says. */
function readSeconds(text) {
  if (/^\d{1,6}(\.\d+)?$/.test(text)) return Number(text);
  throw new Error(`expected \`--seconds\` to be a number, got ${plain(text)}`);
}

/** By the file's name. */
function formatOf(output) {
  const format = Object.keys(FORMATS).find((name) => output.endsWith(FORMATS[name].extension));
  if (format) return format;
  const extensions = Object.values(FORMATS).map(({ extension }) => extension);
  throw new Error(
    `expected \`--output\` to be a file's name that ends with ${extensions.join(' or ')}, got ${plain(output)}`,
  );
}

/** As is said; else by the file's name, where there is one: a flame graph opens in any browser. */
function readFormat(given, output) {
  if (given === undefined) {
    return output === undefined || output === '-' ? 'flamegraph' : formatOf(output);
  }
  const names = Object.keys(FORMATS);
  if (names.includes(given)) return given;
  throw new Error(`expected \`--format\` to be one of ${names.join(', ')}, got ${plain(given)}`);
}

/** In the current folder: of whom, and of when. */
const defaultName = ({ host }, format) =>
  fileName(FORMATS[format].extension.slice(1), { whose: host.replace(/[^\w.-]+/g, '-') });

/** Throws what is wrong with it. */
function parse(args) {
  const { values, positionals } = parseArgs({ args, options: OPTIONS, allowPositionals: true });
  const url = readUrl(positionals);
  const format = readFormat(values.format, values.output);
  const output = values.output ?? defaultName(url, format);
  return { url, seconds: readSeconds(values.seconds), format, output };
}

module.exports = { FORMATS, formatOf, parse };
