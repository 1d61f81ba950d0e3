'use strict';
// Kills by limit as a picture: a lane for each contender, a cell for each limit.

const { GREY, picture, text } = require('../svg.js');

const LEFT = 215;
const TOP = 34;
const CELL = { width: 58, height: 30, gap: 3 };
const COLOURS = { survived: '#1a7f37', some: '#bf6a02', killed: '#cf222e' };

function colour({ kills, runs }) {
  if (kills === 0) return COLOURS.survived;
  return kills === runs ? COLOURS.killed : COLOURS.some;
}

/** Not run, because it was killed at every larger limit: the colour of that, without a figure. */
function empty(box, dead) {
  return `<rect ${box} fill="${dead ? COLOURS.killed : 'none'}" fill-opacity="0.25" stroke="${GREY}" stroke-opacity="0.4"/>`;
}

function cell(contender, x, y) {
  const box = `x="${x}" y="${y}" width="${CELL.width}" height="${CELL.height}" rx="3"`;
  if (contender.runs === 0) return empty(box, contender.dead);
  const label = `${contender.kills}/${contender.runs}`;
  const middle = x + CELL.width / 2;
  return `<rect ${box} fill="${colour(contender)}"/>${text(middle, y + 20, label, 'text-anchor="middle" fill="#fff"')}`;
}

/** An SVG of `kills/runs` for each contender (rows) at each limit (columns, ample ones first). */
function plot({ free, limits }) {
  const xOf = (column) => LEFT + column * (CELL.width + CELL.gap);
  const yOf = (lane) => TOP + lane * (CELL.height + CELL.gap);
  const width = xOf(limits.length) + 5;
  const height = yOf(free.length) + 12;
  const heads = limits.map(({ limit }, column) =>
    text(xOf(column) + CELL.width / 2, TOP - 10, `${limit} MB`, 'text-anchor="middle"'),
  );
  const lanes = free.map(({ name, title }, lane) => {
    const cells = limits.map(({ contenders }, column) =>
      cell(contenders[name], xOf(column), yOf(lane)),
    );
    return [text(LEFT - 10, yOf(lane) + 20, title, 'text-anchor="end"'), ...cells].join('\n');
  });
  const head = text(LEFT - 10, TOP - 10, 'killed, of runs, at', 'text-anchor="end"');
  return picture({ width, height, title: 'Runs killed, by memory limit' }, [
    head,
    ...heads,
    ...lanes,
  ]);
}

module.exports = { plot };
