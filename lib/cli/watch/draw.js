'use strict';
// Charts and text in a width of characters; pure.

const EIGHTHS_UP = ' ▁▂▃▄▅▆▇█';
const EIGHTHS_RIGHT = ' ▏▎▍▌▋▊▉█';

/** The highest of each stretch, so that no peak is lost; the last one ends at the right. */
function fitValues(values, width) {
  if (values.length <= width) return [...Array(width - values.length).fill(null), ...values];
  return Array.from({ length: width }, (_, column) => {
    const from = Math.floor((column * values.length) / width);
    const to = Math.floor(((column + 1) * values.length) / width);
    const known = values.slice(from, to).filter((value) => value !== null);
    return known.length > 0 ? Math.max(...known) : null;
  });
}

/** Lines of a chart from 0 to the highest value, top line first. */
function spark(values, width, height = 1) {
  if (width < 1) return Array(height).fill('');
  const fitted = fitValues(values, width);
  const highest = Math.max(...fitted.map((value) => value ?? 0));
  const eighths = fitted.map((value) => {
    if (value === null || highest <= 0) return 0;
    return Math.max(1, Math.round((value / highest) * height * 8));
  });
  return Array.from({ length: height }, (_, line) => {
    const below = (height - 1 - line) * 8;
    return eighths.map((level) => EIGHTHS_UP[Math.min(8, Math.max(0, level - below))]).join('');
  });
}

/** A horizontal bar of `share` of the width. */
function bar(share, width) {
  const eighths = Math.round(Math.min(1, Math.max(0, share)) * width * 8);
  const part = eighths % 8;
  return '█'.repeat(Math.floor(eighths / 8)) + (part > 0 ? EIGHTHS_RIGHT[part] : '');
}

/** Cuts text off at the width. */
function clip(text, width) {
  const letters = [...text];
  if (letters.length <= width) return text;
  return width < 1 ? '' : `${letters.slice(0, width - 1).join('')}…`;
}

/** Lines of whole words; a word that is too long is broken. */
function wrap(text, width) {
  if (width < 1) return [];
  const lines = [''];
  for (const word of text.split(' ').flatMap((word) => pieces(word, width))) {
    const line = lines.at(-1);
    if (line === '') lines[lines.length - 1] = word;
    else if ([...line].length + 1 + [...word].length <= width)
      lines[lines.length - 1] += ` ${word}`;
    else lines.push(word);
  }
  return lines;
}

function pieces(word, width) {
  const letters = [...word];
  const parts = [];
  for (let at = 0; at < letters.length; at += width)
    parts.push(letters.slice(at, at + width).join(''));
  return parts;
}

/** As many of the items as fit, with two spaces in between; the first ones matter most. */
function fill(items, width) {
  let line = '';
  for (const item of items.filter(Boolean)) {
    const longer = line === '' ? item : `${line}  ${item}`;
    if ([...longer].length > width) break;
    line = longer;
  }
  return line || clip(items.find(Boolean) ?? '', width);
}

module.exports = { bar, clip, fill, spark, wrap };
