'use strict';
// The figures that GET answers, and what the diagnosis says of them.

const { invalidArg } = require('../errors.js');
const { withPatience } = require('../promises.js');
const { attempt, debug } = require('./attempt.js');
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

/** A diagnosis reads every mapping of the process: not for each of those who poll. */
const DIAGNOSIS_REST_MS = 5000;

/** Figures must not wait for a diagnosis that a machine in trouble does not get done. */
const PATIENCE_MS = 2000;

const withoutDiagnosis = (reason) => ({
  verdict: null,
  summary: null,
  findings: null,
  window: null,
  notes: [{ field: 'findings', reason }],
});

const LATE = withoutDiagnosis(`the diagnosis takes more than ${PATIENCE_MS} ms; ask again for it`);

function failed(error) {
  debug('could not diagnose: %o', error);
  const own =
    String(error?.code).startsWith('ERR_HEAPGAP_') && error.code !== 'ERR_HEAPGAP_INTERNAL';
  return withoutDiagnosis(own ? error.message : 'the diagnosis failed');
}

/** One diagnosis for all who ask meanwhile and for some seconds after it. Never rejects. */
function shareDiagnosis({ diagnose, now }) {
  let latest;
  let restsUntil = Number.NEGATIVE_INFINITY;

  function start() {
    restsUntil = Number.POSITIVE_INFINITY;
    return attempt(diagnose)
      .then(({ verdict, summary, findings, window }) => ({
        verdict,
        summary,
        findings,
        window,
        notes: [],
      }))
      .catch(failed)
      .finally(() => {
        restsUntil = now() + DIAGNOSIS_REST_MS;
      });
  }

  return () => {
    if (now() >= restsUntil) latest = start();
    return withPatience(latest, PATIENCE_MS, LATE);
  };
}

/** Makes what answers GET; `query` is the request's. */
function createFigures({ snapshot, diagnose, now }) {
  const diagnosis = shareDiagnosis({ diagnose, now });
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
