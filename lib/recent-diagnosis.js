'use strict';
// One diagnosis for all who ask within some seconds, and who must not wait for it.

const { attempt, debug } = require('./attempt.js');
const { withPatience } = require('./promises.js');

/** A diagnosis reads every mapping of the process: not for each of those who poll. */
const REST_MS = 5000;

/** Figures must not wait for a diagnosis that a machine in trouble does not get done. */
const PATIENCE_MS = 2000;

const without = (reason) => ({
  verdict: null,
  summary: null,
  findings: null,
  ledger: null,
  window: null,
  notes: [{ field: 'findings', reason }],
});

const LATE = without(`the diagnosis takes more than ${PATIENCE_MS} ms; ask again for it`);

function failed(error) {
  debug('could not diagnose: %o', error);
  const own =
    String(error?.code).startsWith('ERR_HEAPGAP_') && error.code !== 'ERR_HEAPGAP_INTERNAL';
  return without(own ? error.message : 'the diagnosis failed');
}

const parts = ({ verdict, summary, findings, ledger, window }) => ({
  verdict,
  summary,
  findings,
  ledger,
  window,
  notes: [],
});

/**
 * Makes a function that gives one no older than some seconds, or says in `notes` why there is none. Never rejects.
 * `restMs()` tells for how long one stands; with `patienceMs: null` it is waited for, however long it takes.
 */
function createRecentDiagnosis({
  diagnose,
  restMs = () => REST_MS,
  patienceMs = PATIENCE_MS,
  now = () => performance.now(),
}) {
  let latest;
  let restsUntil = Number.NEGATIVE_INFINITY;

  function start() {
    restsUntil = Number.POSITIVE_INFINITY;
    return attempt(diagnose)
      .then(parts)
      .catch(failed)
      .finally(() => {
        restsUntil = now() + restMs();
      });
  }

  return () => {
    if (now() >= restsUntil) latest = start();
    return patienceMs === null ? latest : withPatience(latest, patienceMs, LATE);
  };
}

module.exports = { createRecentDiagnosis };
