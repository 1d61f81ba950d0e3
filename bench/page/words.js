'use strict';
// How figures are worded.

const { number } = require('../documents.js');

/** A change with its sign: −31 %, +0.4 %. */
function signed(share) {
  if (share === null) return '—';
  const percent = 100 * Math.abs(share);
  const digits = percent.toFixed(percent >= 9.95 ? 0 : 1).replace(/\.0$/, '');
  if (Number(digits) === 0) return '0 %';
  return `${share < 0 ? '−' : '+'}${digits} %`;
}

const median = (figure, unit = '') =>
  figure === null ? '—' : `${number(figure.median)} ${unit}`.trim();

const killed = ({ kills, runs }) => `${kills} of ${runs} killed`;

const counted = (count, what) => `${count} ${what}${count === 1 ? '' : 's'}`;

/** Text of a program's own, safe in Markdown. */
const quoted = (said) =>
  `\`${said.trim().split('\n')[0].replaceAll('`', "'").replaceAll('|', '/')}\``;

module.exports = { counted, killed, median, quoted, signed };
