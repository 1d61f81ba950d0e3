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
 * `restOf` tells from how long one took, when the next may be made.
 */
function createRecentDiagnosis({
  diagnose,
  restOf = () => REST_MS,
  now = () => performance.now(),
}) {
  let latest;
  let restsUntil = Number.NEGATIVE_INFINITY;

  function start() {
    const started = now();
    restsUntil = Number.POSITIVE_INFINITY;
    return attempt(diagnose)
      .then(parts)
      .catch(failed)
      .finally(() => {
        restsUntil = now() + restOf(now() - started);
      });
  }

  return () => {
    if (now() >= restsUntil) latest = start();
    return withPatience(latest, PATIENCE_MS, LATE);
  };
}

const [LEAST_REST_MS, MOST_REST_MS] = [1500, 30_000];
/** A diagnosis takes no more than one four hundredth of the time, whatever the process's size. */
const REST_SHARE = 400;

/**
 * The rest for those who look at the page, who want the next one soon. The quickest of the last three tells what one
 * costs: the others waited for the event loop too, and the very first for code to be loaded.
 */
function createRest() {
  let last = [0];
  return (tookMs) => {
    const rest = REST_SHARE * Math.min(...last, tookMs);
    last = [...last.slice(-1), tookMs];
    return Math.min(Math.max(rest, LEAST_REST_MS), MOST_REST_MS);
  };
}

module.exports = { createRecentDiagnosis, createRest };
