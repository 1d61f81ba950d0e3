'use strict';
// How benchmarks and scenarios write what they measured into the documents.

const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');

const BIOME = require.resolve('@biomejs/biome/bin/biome');

/** One line on standard error that says where the run is. */
function progress(text) {
  process.stderr.write(process.stderr.isTTY ? `\r\x1b[K${text}` : `${text}\n`);
}

const line = (cells) => `| ${cells.join(' | ')} |`;

/** A table as Biome leaves it: padded, all but the first column to the right. */
function table(heads, rows) {
  const columns = heads.map((head, i) => [head, ...rows.map((row) => row[i])]);
  const widths = columns.map((cells) => Math.max(3, ...cells.map((text) => text.length)));
  const pad = (cells) =>
    line(cells.map((text, i) => (i === 0 ? text.padEnd(widths[i]) : text.padStart(widths[i]))));
  const rule = widths.map((width, i) =>
    i === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`,
  );
  return [pad(heads), line(rule), ...rows.map(pad)].join('\n');
}

const DIGITS = [
  [20, 0],
  [2, 1],
  [0, 2],
];
/** With as many digits as say something. */
function number(value) {
  if (value > 0 && value < 0.095) return String(Number(value.toPrecision(2)));
  return value.toFixed(DIGITS.find(([from]) => value >= from)?.[1] ?? 2);
}

/** Median, least and most. */
const cell = (figure) =>
  figure === null ? '—' : `${number(figure.median)} (${number(figure.min)}–${number(figure.max)})`;

const MEASURED = (script) => [
  `<!-- measured by npm run ${script} -->`,
  '<!-- end of measurement -->',
];

/** A page in three: what is before its markers, between them, and behind; null where it has lost them. */
function split(page, markers) {
  const text = fs.readFileSync(page, 'utf8');
  const [from, to] = markers.map((marker) => text.indexOf(marker));
  if (from < 0 || to < from) return null;
  const start = from + markers[0].length;
  return [text.slice(0, start), text.slice(start, to), text.slice(to)];
}

/** What is between the markers of `page`; null where it has lost them. */
const readPart = (page, markers) => split(page, markers)?.[1].trim() ?? null;

/** Replaces what is between the markers of `page`. */
function writePart(page, markers, text) {
  const parts = split(page, markers);
  if (parts === null) throw new Error(`${page} has lost its markers`);
  fs.writeFileSync(page, `${parts[0]}\n\n${text}\n\n${parts[2]}`);
}

/** JSON as `npm run lint` wants it in `file`. Through Biome's standard input, because it leaves large files alone. */
function formatJson(file, results) {
  const words = [BIOME, 'format', `--stdin-file-path=${path.basename(file)}`];
  const cwd = path.join(__dirname, '..');
  const input = JSON.stringify(results, null, 2);
  return execFileSync(process.execPath, words, { cwd, input, maxBuffer: Infinity });
}

/** Writes the page and the figures that it was made of, as `npm run lint` wants them. */
function writeResults({ page, script, text, file, results }) {
  writePart(page, MEASURED(script), text);
  fs.writeFileSync(file, formatJson(file, results));
  execFileSync(process.execPath, [BIOME, 'format', '--write', page]);
}

module.exports = {
  cell,
  formatJson,
  line,
  number,
  progress,
  readPart,
  table,
  writePart,
  writeResults,
};
