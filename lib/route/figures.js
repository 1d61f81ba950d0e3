'use strict';
// The figures that GET answers, and what the diagnosis says of them.

const { invalidArg } = require('../errors.js');
const { Refusal } = require('./refusal.js');

const UNITS = {
  B: (bytes) => bytes,
  MB: (bytes) => `${(bytes / 1024 / 1024).toFixed(2)} MB`,
};

function readUnit(query) {
  const given = new URLSearchParams(query).getAll('unit');
  if (given.length === 0) return UNITS.B;
  if (given.length === 1 && Object.hasOwn(UNITS, given[0])) return UNITS[given[0]];
  const expected = 'the string B or MB, given once';
  const { message, code } = invalidArg('unit', expected, given.join(', '));
  throw new Refusal(400, code, message);
}

/** The figures that process.memoryUsage() has, under its names. */
function familiar({ process: memory, v8 }, unit) {
  const { heapTotal, heapUsed, external, arrayBuffers } = v8;
  const figures = { rss: memory.rss, heapTotal, heapUsed, external, arrayBuffers };
  const shown = Object.entries(figures).map(([name, bytes]) => [
    name,
    typeof bytes === 'number' ? unit(bytes) : null,
  ]);
  return Object.fromEntries(shown);
}

/** Makes what answers GET; `query` is the request's. */
function createFigures({ snapshot, diagnosis }) {
  return async (query) => {
    const unit = readUnit(query);
    // Before the snapshot: the figures are to be those of now.
    const { verdict, summary, findings, window, notes } = await diagnosis();
    const current = await snapshot();
    return {
      ...familiar(current, unit),
      verdict,
      summary,
      findings,
      window,
      ...current,
      notes: [...current.notes, ...notes],
    };
  };
}

module.exports = { createFigures };
