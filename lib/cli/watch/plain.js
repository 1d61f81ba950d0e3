'use strict';
// Where nobody sees a screen: a line for each sample, and for each thing that happens.

const { HOW_TO_SEE_MORE, kindOf } = require('./model.js');
const { bytes } = require('./units.js');

const stamp = (ms) => `${new Date(ms).toISOString().slice(0, 19)}Z`;

const figure = (name, value) => `${name} ${bytes(value)}`;

function budget({ limit, usage, unreclaimable }) {
  const held = bytes(unreclaimable ?? usage);
  return Number.isFinite(limit) ? `used ${held} of ${bytes(limit)}` : `used ${held}, no limit`;
}

function sampleLine(row, figures) {
  return [
    figure('rss', row.rss),
    figure('gap', row.gap),
    figure('heap', row.heapUsed),
    figure('allocated', row.allocated),
    figure('dirty', figures.dirty),
    budget(figures),
  ].join('  ');
}

function outsideLine(row) {
  return [
    figure('rss', row.rss),
    figure('anon', row.anon),
    figure('file', row.file),
    figure('shmem', row.shmem),
    figure('swap', row.swap),
    figure('v8', kindOf(row, 'v8')),
    figure('malloc', kindOf(row, 'allocator')),
    `threads ${row.threads ?? '—'}`,
    budget(row),
  ].join('  ');
}

function outsideLines(_, { pid, label, rows, notice }) {
  const line = outsideLine(rows.at(-1));
  if (rows.length > 1) return [line];
  return [`${label}, pid ${pid}`, HOW_TO_SEE_MORE, notice, line].filter(Boolean);
}

const words = ({ what, returned }) =>
  returned > 0 ? `${what}, ${bytes(returned)} returned` : what;

/** What is new between two states of a stream. `eventsBetween` is the page's own (dashboard/history.mjs). */
function newLines(before, after, event, eventsBetween) {
  const { hello, lost, notice, rows, figures, diagnosis } = after;
  // A history may begin where the connection was lost: what happened meanwhile is in it.
  const [last, newest] = [before.rows.at(-1), rows.at(-1)];
  const happened = last && newest ? eventsBetween(last, newest).map(words) : [];
  if (event === 'history') return happened;
  if (event === 'sample') return [...happened, sampleLine(rows.at(-1), figures)];
  if (event === 'lost') return before.lost === null ? [`lost: ${lost}; trying again`] : [];
  if (event === 'diagnosis' && diagnosis.verdict !== before.diagnosis?.verdict)
    return [`verdict ${diagnosis.verdict}: ${diagnosis.summary}`];
  if (event !== 'hello') return [];
  if (notice !== before.notice) return [notice.text];
  const who = `${hello.title ?? 'process'}, pid ${hello.pid} on ${hello.host}, ${hello.node}`;
  return [before.hello === null ? who : 'connected again'];
}

module.exports = { newLines, outsideLines, stamp };
