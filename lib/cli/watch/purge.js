'use strict';
// Asks a route for a purge of one process.

const { ask, below, readText, reasonOf, refusalOf } = require('./request.js');
const { bytes } = require('./units.js');

/** In a cluster any worker may answer: round robin comes to the one that is meant. */
const ATTEMPTS = 16;
/** A purge of many GB takes seconds. */
const PURGE_MS = 60_000;

const finite = (value) => (Number.isFinite(value) ? value : null);

/** What the purge did, or why there was none, in one line. */
async function purge(url, { pid, token, signal }) {
  const target = below(url, '/purge');
  target.search = `?pid=${pid}`;
  const options = { method: 'POST', token, signal, timeoutMs: PURGE_MS };
  try {
    for (let attempt = 1; ; attempt++) {
      const response = await ask(target, options);
      if (response.statusCode === 200) return outcome(JSON.parse(await readText(response)));
      const { code, why } = await refusalOf(response);
      if (code !== 'ERR_HEAPGAP_OTHER_PROCESS' || attempt === ATTEMPTS) return `no purge: ${why}`;
    }
  } catch (error) {
    return `no purge: ${reasonOf(error)}`;
  }
}

function outcome(report) {
  const [before, after, released] = ['rssBefore', 'rssAfter', 'released'].map((name) =>
    finite(report?.[name]),
  );
  if (report?.method === null) return 'no purge: heapgap has none for this allocator';
  const effect = released !== null && released < 0 ? 'grown by' : 'released';
  const amount = bytes(released === null ? null : Math.abs(released));
  return `purged: RSS ${bytes(before)} → ${bytes(after)}, ${effect} ${amount}`;
}

module.exports = { purge };
