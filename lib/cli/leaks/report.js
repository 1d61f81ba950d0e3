'use strict';
// What was live at a program's end, in words. Pure.

const { plain } = require('../../doctor/report.js');
const { bytes, count, share } = require('../watch/units.js');

const MOST_STACKS = 10;
const MOST_FRAMES = 20;
/** Of the whole: what is less is not shown as a stack. */
const LEAST = 0.01;

/** A JavaScript function that is not of Node.js. */
const isOwn = ({ file }) => file !== null && !file.startsWith('node:');

/** Up to the outermost function of the program's own, if there is one: how Node.js came to call it says nothing. */
function ofInterest(frames) {
  const last = frames.findLastIndex(isOwn);
  return last < 0 ? frames : frames.slice(0, last + 1);
}

function shown({ name, file, line }) {
  if (file === null) return plain(name);
  return `${plain(name)} (${plain(file)}${line === null ? '' : `:${line}`})`;
}

/** How JavaScript is carried out, how Node.js runs, how V8 calls native code: stacks that differ in that alone are one. */
const V8_CALLS =
  /^\[(generated code|interpreted JavaScript)\]$|^v8::internal::.*(FunctionCallbackArguments::Call|HandleApiCall|CallApiCallback)/;
const isPlumbing = ({ name, file }) =>
  file === null ? V8_CALLS.test(name) : file.startsWith('node:');

/** Each of another origin; with the frames of the largest, which comes first. */
function merged(stacks) {
  const byOrigin = new Map();
  for (const stack of stacks) {
    const frames = ofInterest(stack.frames);
    // Where nothing of the program's own is in it, all the rest tells where it is from.
    const isTold = frames.some(isOwn);
    const origin = JSON.stringify(isTold ? frames.filter((frame) => !isPlumbing(frame)) : frames);
    const sum = byOrigin.get(origin) ?? { frames: stack.frames, bytes: 0, objects: 0 };
    sum.bytes += stack.bytes;
    sum.objects += stack.objects;
    byOrigin.set(origin, sum);
  }
  return [...byOrigin.values()].sort((a, b) => b.bytes - a.bytes);
}

function stackLines(stack, whole) {
  const frames = ofInterest(stack.frames);
  const more = frames.length - MOST_FRAMES;
  const own = frames.find(isOwn);
  return [
    `  ${bytes(stack.bytes)} (${share(stack.bytes, whole)}) in ${count(stack.objects, 'object')}` +
      (own ? `, of ${shown(own)}` : ''),
    ...frames.slice(0, MOST_FRAMES).map((frame) => `      ${shown(frame)}`),
    ...(more > 0 ? [`      … ${count(more, 'more frame')}`] : []),
  ];
}

/** What one process has left. */
function toText({ pid, program, found }, maxBytes) {
  const limit = found.bytes > maxBytes ? `above ${bytes(maxBytes)}` : `within ${bytes(maxBytes)}`;
  const isLarge = (stack) => stack.bytes > 0 && stack.bytes >= LEAST * found.bytes;
  const stacks = merged(found.stacks);
  const large = stacks.filter(isLarge).slice(0, MOST_STACKS);
  const rest = stacks.length + found.others - large.length;
  return [
    `heapgap: ${plain(program)} (pid ${pid}): ${bytes(found.bytes)} of native memory live at its end, ${limit}` +
      `; estimated from a sample every ${bytes(found.sampleBytes)}`,
    ...large.flatMap((stack) => stackLines(stack, found.bytes)),
    ...(rest > 0 ? [`  ${count(rest, 'more stack')}`] : []),
    ...found.notes.map((note) => `  ${plain(note)}`),
  ]
    .map((line) => `${line}\n`)
    .join('');
}

module.exports = { toText };
