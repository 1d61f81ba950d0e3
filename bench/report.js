'use strict';
// How benchmarks tell what they measured: a table on standard output, and JSON in bench/results.

const fs = require('node:fs');
const path = require('node:path');

const { machine } = require('./machine.js');
const { spread } = require('./statistics.js');

const progress = (text) => process.stderr.write(`${text}\n`);

/** One row: what was measured in each round, and what was aimed at. */
function row(name, values, unit, target) {
  const { median, min: low, max: high } = spread(values);
  const met = target === undefined ? '' : target.met(median) ? 'met' : 'MISSED';
  return { name, unit, low, median, high, target: target?.text ?? '', met };
}

const atMost = (limit) => ({ text: `≤ ${limit}`, met: (value) => value <= limit });
const atLeast = (limit) => ({ text: `≥ ${limit}`, met: (value) => value >= limit });

function print(rows) {
  const number = (value) => (value >= 100 ? value.toFixed(0) : value.toPrecision(3));
  const { cpu, cpus, kernel, node } = machine();
  console.log(
    `\n${cpu}, ${cpus} CPUs, Node.js ${node}, ${kernel}\nmedian [least – most] of the rounds\n`,
  );
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
