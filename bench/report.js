'use strict';
// How benchmarks tell what they measured: a table on standard output, and JSON in bench/results.

const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const progress = (text) => process.stderr.write(`${text}\n`);

const sorted = (values) => [...values].sort((a, b) => a - b);
const median = (values) => sorted(values)[Math.floor(values.length / 2)];

/** One row: what was measured in each round, and what was aimed at. */
function row(name, values, unit, target) {
  const [low, mid, high] = [sorted(values)[0], median(values), sorted(values).at(-1)];
  const met = target === undefined ? '' : target.met(mid) ? 'met' : 'MISSED';
  return { name, unit, low, median: mid, high, target: target?.text ?? '', met };
}

const atMost = (limit) => ({ text: `≤ ${limit}`, met: (value) => value <= limit });
const atLeast = (limit) => ({ text: `≥ ${limit}`, met: (value) => value >= limit });

function print(rows) {
  const number = (value) => (value >= 100 ? value.toFixed(0) : value.toPrecision(3));
  const machine = `${os.cpus()[0].model}, ${os.cpus().length} CPUs, Node.js ${process.version}, ${os.type()} ${os.release()}`;
  console.log(`\n${machine}\nmedian [least – most] of the rounds\n`);
  const width = Math.max(...rows.map(({ name }) => name.length));
  for (const { name, unit, low, median: mid, high, target, met } of rows) {
    const range = low === high ? '' : `[${number(low)} – ${number(high)}]`;
    const value = `${number(mid)} ${unit}`.padStart(10);
    console.log(`${name.padEnd(width)}  ${value}  ${range.padEnd(18)}  ${target} ${met}`.trimEnd());
  }
}

/** Prints the rows, and keeps them as results/<name>.json. */
function report(name, rows) {
  print(rows);
  const results = path.join(__dirname, 'results');
  fs.mkdirSync(results, { recursive: true });
  fs.writeFileSync(path.join(results, `${name}.json`), `${JSON.stringify(rows, null, 2)}\n`);
}

module.exports = { atLeast, atMost, progress, report, row };
