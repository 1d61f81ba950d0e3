'use strict';
// The documents of npm run bench: all that docs/benchmarks.json makes.

const fs = require('node:fs');
const path = require('node:path');

const { formatJson, readPart, writePart } = require('../documents.js');
const { page, summary } = require('./document.js');
const plots = require('./plots.js');
const { summarize } = require('./summary.js');

const RESULTS = 'docs/benchmarks.json';
const PAGE = 'docs/benchmarks.md';
const PLOTS = 'docs/benchmarks';
const README = 'README.md';
const MARKERS = ['<!-- made by npm run bench -->', '<!-- end of benchmark -->'];

function plotsOf({ contenders, cost }, workloads) {
  const all = workloads.flatMap((workload) => [
    [`rss-${workload.name}`, plots.rss(workload, contenders)],
    [`latency-${workload.name}`, plots.latency(workload)],
    ...(workload.places.length > 1
      ? [[`survival-${workload.name}`, plots.survival(workload, contenders)]]
      : []),
  ]);
  if (cost?.growth.length > 0) all.push(['growth', plots.growth(cost.growth)]);
  if (cost?.purge.length > 0) all.push(['purge', plots.purge(cost.purge)]);
  return Object.fromEntries(all.map(([name, svg]) => [`${PLOTS}/${name}.svg`, svg]));
}

/** By path from the root: the page, its plots, and of README.md the part between its markers. */
function render(results) {
  const workloads = summarize(results);
  return {
    [PAGE]: page(results, workloads),
    ...plotsOf(results, workloads),
    [README]: summary(results, workloads),
  };
}

/** The plots that are there, from the root. */
function plotsIn(root) {
  const folder = path.join(root, PLOTS);
  return fs.existsSync(folder) ? fs.readdirSync(folder).map((name) => `${PLOTS}/${name}`) : [];
}

/** Writes the figures and all that they make, and removes plots that they no longer make. */
function write(results, root) {
  const { [README]: part, ...files } = render(results);
  fs.mkdirSync(path.join(root, PLOTS), { recursive: true });
  for (const file of plotsIn(root)) if (!(file in files)) fs.rmSync(path.join(root, file));
  for (const [file, text] of Object.entries(files)) fs.writeFileSync(path.join(root, file), text);
  writePart(path.join(root, README), MARKERS, part);
  fs.writeFileSync(path.join(root, RESULTS), formatJson(RESULTS, results));
}

/** What is in a file of those that `render` makes, as it makes them; null where it is not there. */
function present(root, file) {
  const full = path.join(root, file);
  if (!fs.existsSync(full)) return null;
  return file === README ? readPart(full, MARKERS) : fs.readFileSync(full, 'utf8');
}

/** The files that are not what docs/benchmarks.json makes: edited, missing, or left over. */
function check(root) {
  const text = present(root, RESULTS);
  if (text === null) return [RESULTS];
  const files = render(JSON.parse(text));
  const differing = Object.keys(files).filter((file) => present(root, file) !== files[file]);
  return [...differing, ...plotsIn(root).filter((file) => !(file in files))];
}

module.exports = { PAGE, check, render, write };
