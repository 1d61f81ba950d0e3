'use strict';
// A model as lines of a screen; pure.

const { bar, clip, fill, spark, wrap } = require('./draw.js');
const { bytes, share } = require('./units.js');

const STYLES = {
  bold: '1',
  dim: '2',
  critical: '31',
  warning: '33',
  info: '36',
  healthy: '32',
};

const painter = (colour) => (style, text) =>
  colour && text !== '' ? `\u001b[${STYLES[style] ?? '0'}m${text}\u001b[0m` : text;

const NAME = 9;
const FIGURE = 9;
/** From so many rows on the first chart is drawn larger. */
const ROOMY = 24;
const LARGE = 3;

function chartLines({ name, values }, columns, height, paint) {
  const label = `${name.padEnd(NAME)} ${bytes(values.at(-1) ?? null).padStart(FIGURE)} `;
  const lines = spark(values, columns - label.length, height);
  return lines.map((line, at) => {
    const left = at === height - 1 ? label : ' '.repeat(label.length);
    return clip(left, columns) + paint('info', line);
  });
}

const PART = 13;

function partLines(parts, whole, columns) {
  const most = parts[0]?.bytes ?? 0;
  return parts.map((part) => {
    const size = bytes(part.bytes).padStart(FIGURE);
    const left = `${part.name.padEnd(PART)} ${size} ${share(part.bytes, whole).padStart(5)} `;
    const room = Math.max(0, columns - left.length);
    return clip(left, columns) + bar(part.bytes / most, room);
  });
}

function verdictLines(verdict, columns, paint) {
  if (!verdict) return [];
  const { name, severity, summary, actions } = verdict;
  const [first, ...rest] = wrap(`${name}: ${summary}`, columns);
  return [
    paint(severity, first.slice(0, name.length + 1)) + first.slice(name.length + 1),
    ...rest,
    ...actions.flatMap((action) => wrap(`→ ${action}`, columns).map((line) => paint('dim', line))),
  ];
}

/**
 * The screen's parts from top to bottom, each with its lines. Where there is too little room each has as many as
 * its `least`, those with the lowest `rank` first; what is left is given in the same order.
 */
function blocksOf(model, { columns, rows }, paint) {
  const { title, facts, problem, notice, charts, budget, parts, whole, verdict, remark } = model;
  const line = (text, style) => (text ? [paint(style, clip(text, columns))] : []);
  const [first, ...others] = charts;
  const height = rows >= ROOMY ? LARGE : 1;
  const gap = rows >= ROOMY ? [''] : [];
  const remarks = remark ? wrap(remark, columns).map((text) => paint('dim', text)) : [];
  const block = (rank, lines, least = lines.length) => ({ rank, lines, least });
  return [
    block(0, line(fill([title, ...facts], columns), 'bold')),
    block(1, line(problem, 'critical')),
    block(2, line(notice, 'warning')),
    block(3, chartLines(first, columns, height, paint)),
    block(
      5,
      others.flatMap((chart) => chartLines(chart, columns, 1, paint)),
    ),
    block(4, [fill(budget, columns)]),
    block(9, gap, 0),
    block(6, verdictLines(verdict, columns, paint), 2),
    block(8, remarks, 1),
    block(10, gap, 0),
    block(7, partLines(parts, whole, columns), 2),
  ];
}

/** Gives each block its lines. */
function fit(blocks, rows) {
  const order = [...blocks].sort((one, other) => one.rank - other.rank);
  const taken = new Map();
  let left = rows;
  for (const want of [({ least }) => least, ({ lines }) => lines.length]) {
    for (const block of order) {
      const had = taken.get(block) ?? 0;
      const more = Math.min(Math.max(0, Math.min(want(block), block.lines.length) - had), left);
      taken.set(block, had + more);
      left -= more;
    }
  }
  return blocks.flatMap((block) => block.lines.slice(0, taken.get(block)));
}

/** As many lines as the screen has rows, none wider than its columns. */
function draw(model, { columns, rows, colour = false }) {
  const paint = painter(colour);
  const footer = paint('dim', fill(model.keys, columns));
  const lines = fit(blocksOf(model, { columns, rows }, paint), Math.max(0, rows - 1));
  const empty = Array(Math.max(0, rows - 1 - lines.length)).fill('');
  return [...lines, ...empty, footer].slice(0, rows);
}

module.exports = { draw };
