'use strict';
// What was live at a program's end, in words. Pure.

const { plain } = require('../../doctor/report.js');
const { bytes, count, share } = require('../watch/units.js');

const MOST_STACKS = 10;
const MOST_FRAMES = 20;

/** How Node.js came to call the program says nothing of it. */
const isNodes = ({ file }) => file?.startsWith('node:') ?? false;

/** Up to the outermost function of the program's own, if there is one. */
function ofInterest(frames) {
  const last = frames.findLastIndex((frame) => frame.file !== null && !isNodes(frame));
  return last < 0 ? frames : frames.slice(0, last + 1);
}

function frameLine({ name, file, line }) {
  if (file === null) return `      ${plain(name)}`;
  return `      ${plain(name)} (${plain(file)}${line === null ? '' : `:${line}`})`;
}

function stackLines(stack, whole) {
  const frames = ofInterest(stack.frames);
  const more = frames.length - MOST_FRAMES;
  return [
    `  ${bytes(stack.bytes)} (${share(stack.bytes, whole)}) in ${count(stack.objects, 'object')}`,
    ...frames.slice(0, MOST_FRAMES).map(frameLine),
    ...(more > 0 ? [`      … ${count(more, 'more frame')}`] : []),
  ];
}

/** What one process has left. */
function toText({ pid, program, found }, maxBytes) {
  const limit = found.bytes > maxBytes ? `above ${bytes(maxBytes)}` : `within ${bytes(maxBytes)}`;
  const shown = found.stacks.filter((stack) => stack.bytes > 0).slice(0, MOST_STACKS);
  const rest = found.stacks.length + found.others - shown.length;
  return [
    `heapgap: ${plain(program)} (pid ${pid}): ${bytes(found.bytes)} of native memory live at its end, ${limit}` +
      `; estimated from a sample every ${bytes(found.sampleBytes)}`,
    ...shown.flatMap((stack) => stackLines(stack, found.bytes)),
    ...(rest > 0 ? [`  ${count(rest, 'more stack')}`] : []),
    ...found.notes.map((note) => `  ${plain(note)}`),
  ]
    .map((line) => `${line}\n`)
    .join('');
}

module.exports = { toText };
