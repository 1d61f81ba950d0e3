'use strict';
// How benchmarks and scenarios write what they measured into the documents.

const { execFileSync } = require('node:child_process');
const fs = require('node:fs');

/** One line on standard error that says where the run is. */
function progress(text) {
  process.stderr.write(process.stderr.isTTY ? `\r\x1b[K${text}` : `${text}\n`);
}

const line = (cells) => `| ${cells.join(' | ')} |`;

/** Replaces what is between the markers of `page`, which name the npm script that measures. */
function writePage(page, script, text) {
  const markers = [`<!-- measured by npm run ${script} -->`, '<!-- end of measurement -->'];
  const former = fs.readFileSync(page, 'utf8');
  const [from, to] = markers.map((marker) => former.indexOf(marker));
  if (from < 0 || to < from) throw new Error(`${page} has lost its markers`);
  const body = `${former.slice(0, from + markers[0].length)}\n\n${text}\n\n${former.slice(to)}`;
  fs.writeFileSync(page, body);
}

/** Writes the page and the figures that it was made of, as `npm run lint` wants them. */
function writeResults({ page, script, text, file, results }) {
  writePage(page, script, text);
  fs.writeFileSync(file, JSON.stringify(results, null, 2));
  const biome = require.resolve('@biomejs/biome/bin/biome');
  execFileSync(process.execPath, [biome, 'format', '--write', page, file]);
}

module.exports = { line, progress, writeResults };
