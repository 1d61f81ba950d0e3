'use strict';
// Pictures for the documents: scales with round ticks, axes, lines. Legible on white and on GitHub's dark.

const GREY = '#7d8590';
/** Of like weight on white and on dark, and told apart by those who do not tell red from green. */
const COLOURS = ['#2f7fd6', '#d9730d', '#a8559f', '#1b998b', '#9a8210'];
/** What a letter takes at most, in units of the font's size: the reader's font is not known. */
const LETTER = 0.64;
const FONT = 13;
const SMALL = 11;

const round = (value) => Math.round(value * 10) / 10;
const escaped = (content) =>
  content
    .replaceAll('`', '')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;');

const text = (x, y, content, attributes = '') =>
  `<text x="${round(x)}" y="${round(y)}" ${attributes}>${escaped(content)}</text>`;

/** The whole picture. */
function picture({ width, height, title }, parts) {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="system-ui, sans-serif" font-size="${FONT}" fill="${GREY}">`,
    `<title>${escaped(title)}</title>`,
    ...parts,
    '</svg>\n',
  ].join('\n');
}

/** 1, 2 or 5 times a power of ten: the first that makes at most `count` steps of `span`. */
function stepOf(span, count) {
  const power = 10 ** Math.floor(Math.log10(span / count));
  return [1, 2, 5, 10].map((times) => times * power).find((step) => span / step <= count);
}

/** Less cannot be told from nothing. */
const LEAST = 1e-9;

const steps = (from, to, step) =>
  Array.from({ length: to - from + 1 }, (_, i) => Number(((from + i) * step).toPrecision(12)));

/** From zero to a round number that is not below `max`, or with `tight` to `max`. `range` is in pixels. */
function linear(max, range, { count = 5, tight = false } = {}) {
  const end = max >= LEAST ? max : 1;
  const step = stepOf(end, count);
  const last = (tight ? Math.floor : Math.ceil)(end / step);
  const top = tight ? end : last * step;
  const of = (value) => range[0] + (value / top) * (range[1] - range[0]);
  return { of, range, ticks: steps(0, last, step) };
}

/** 1, 2 or 5 times a power of ten, by `round` the next below or above. */
function roundTo(value, round) {
  const power = 10 ** Math.floor(Math.log10(value));
  // The logarithm of 999.99… is that of 1000: there has to be one more below.
  const all = [0.5, 1, 2, 5, 10].map((times) => times * power);
  return round === 'up' ? all.find((one) => one >= value) : all.findLast((one) => one <= value);
}

/** Ticks at powers of ten, and between them at 2 and 5 where there are few. */
function logTicks(from, to) {
  const first = Math.floor(Math.log10(from));
  const powers = steps(0, Math.ceil(Math.log10(to)) - first, 1).map((i) => 10 ** (first + i));
  const factors = to / from > 300 ? [1] : [1, 2, 5];
  const ticks = powers.flatMap((power) => factors.map((times) => times * power));
  return ticks.filter((tick) => tick >= from && tick <= to);
}

/** Round numbers around all values above zero; the others are at the edge. `range` is in pixels. */
function logarithmic(values, range) {
  const above = values.filter((value) => value >= LEAST);
  const least = above.reduce((a, b) => Math.min(a, b), above[0] ?? 1);
  const from = roundTo(least, 'down');
  const to = Math.max(
    roundTo(
      above.reduce((a, b) => Math.max(a, b), least),
      'up',
    ),
    from * 10,
  );
  const shareOf = (value) => Math.log(value / from) / Math.log(to / from);
  const of = (value) =>
    range[0] + (value >= LEAST ? Math.max(0, shareOf(value)) : 0) * (range[1] - range[0]);
  return { of, range, ticks: logTicks(from, to) };
}

/** A number as short as it goes: 0.01, 300, 20k. */
const brief = (value) =>
  value >= 10_000 ? `${value / 1000}k` : String(Number(value.toPrecision(3)));

const rule = (x1, y1, x2, y2, attributes = '') =>
  `<line x1="${round(x1)}" y1="${round(y1)}" x2="${round(x2)}" y2="${round(y2)}" stroke="${GREY}" ${attributes}/>`;

/** Ticks and their numbers below a panel; `unit` follows the last number. */
function bottomAxis(scale, [top, bottom], { format = brief, title = '', grid = false }) {
  const marks = scale.ticks.map((tick) => {
    const x = scale.of(tick);
    return [
      rule(x, grid ? top : bottom, x, bottom + 4, 'stroke-opacity="0.35"'),
      text(x, bottom + 16, format(tick), `text-anchor="middle" font-size="${SMALL}"`),
    ].join('');
  });
  const middle = (scale.range[0] + scale.range[1]) / 2;
  const caption = text(middle, bottom + 32, title, `text-anchor="middle" font-size="${SMALL}"`);
  const base = rule(scale.range[0], bottom, scale.range[1], bottom, 'stroke-opacity="0.35"');
  return [base, ...marks, ...(title === '' ? [] : [caption])].join('\n');
}

/** Lines across a panel and their numbers left of it. */
function leftAxis(scale, [left, right], { format = brief, numbers = true }) {
  return scale.ticks
    .map((tick) => {
      const y = scale.of(tick);
      const label = text(left - 6, y + 4, format(tick), `text-anchor="end" font-size="${SMALL}"`);
      return `${rule(left, y, right, y, 'stroke-opacity="0.25"')}${numbers ? label : ''}`;
    })
    .join('\n');
}

/** A line through points in pixels. */
function path(points, colour, attributes = '') {
  const at = points.map(([x, y]) => `${round(x)},${round(y)}`).join(' ');
  return `<polyline points="${at}" fill="none" stroke="${colour}" stroke-linejoin="round" ${attributes}/>`;
}

/** Moves labels `{ y }` that are wanted at some heights apart, so that none covers another. */
function apart(labels, gap = FONT + 1, bottom = Number.POSITIVE_INFINITY) {
  const placed = [...labels].sort((a, b) => a.y - b.y).map((label) => ({ ...label }));
  for (let i = 1; i < placed.length; i++) {
    placed[i].y = Math.max(placed[i].y, placed[i - 1].y + gap);
  }
  let floor = bottom;
  for (const label of placed.toReversed()) {
    label.y = Math.min(label.y, floor);
    floor = label.y - gap;
  }
  return placed;
}

module.exports = {
  COLOURS,
  FONT,
  GREY,
  LETTER,
  SMALL,
  apart,
  bottomAxis,
  brief,
  leftAxis,
  linear,
  logarithmic,
  path,
  picture,
  rule,
  text,
};
