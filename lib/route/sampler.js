'use strict';
// A sample of this process each second for all who look, and none while nobody does.

const { debug } = require('../attempt.js');
const { shared, withPatience } = require('../promises.js');

const INTERVAL_MS = 1000;
/** Ten minutes of samples: what a new viewer is shown at once. */
const HISTORY = 600;
/** Whoever loads the page anew or has lost the connection finds the window that growth is judged by. */
const LINGER_MS = 15_000;
/** What a sample waits for a diagnosis, so that the ledger and the lines are of one instant. */
const PATIENCE_MS = 250;

const bytesOf = ({ parts }) =>
  Object.fromEntries(Object.entries(parts).map(([name, { bytes }]) => [name, bytes]));

/**
 * What the charts draw: figures at their time, counters, whose steps are the events, and the ledger of a diagnosis in
 * the first row after it.
 */
const COLUMNS = {
  time: ({ at }) => at.time,
  rss: ({ at }) => at.process.rss,
  gap: ({ at }) => at.gap,
  heapUsed: ({ at }) => at.v8.heapUsed,
  heapTotal: ({ at }) => at.v8.heapTotal,
  arrayBuffers: ({ at }) => at.v8.arrayBuffers,
  allocated: ({ at }) => at.allocator.allocated,
  active: ({ at }) => at.allocator.active,
  resident: ({ at }) => at.allocator.resident,
  limit: ({ at }) => at.cgroup.limit,
  unreclaimable: ({ at }) => at.cgroup.unreclaimable,
  oomKills: ({ at }) => at.cgroup.oomKills,
  purges: ({ purges }) => purges.count,
  released: ({ purges }) => purges.released,
  governorPurges: ({ at }) => at.governor?.purges,
  governorReleased: ({ at }) => at.governor?.released,
  governorLevel: ({ at }) => at.governor?.level,
  collections: ({ at }) => at.governor?.collections,
  ledger: ({ ledger }) => ledger && bytesOf(ledger),
};
const NAMES = Object.keys(COLUMNS);
const READERS = Object.values(COLUMNS);

/** A message of the stream (html.spec.whatwg.org, 9.2); JSON has no line breaks of its own. */
const message = (event, json) => `event: ${event}\ndata: ${json}\n\n`;

/**
 * Makes the one sampler of a process. `snapshot()` and `diagnosis()` give promises, `watch()` starts the window that
 * growth is judged by, `purges()` counts. A viewer is a function that is given text.
 */
function createSampler({ snapshot, diagnosis, watch, purges, now = () => performance.now() }) {
  const viewers = new Set();
  /** As text: 600 of them would take milliseconds to write for each who comes. */
  const rows = [];
  let running = null;
  let found = null;
  /** Of a diagnosis that no row has yet. */
  let ledger = null;
  let lastSample = null;
  let nobodySince = null;

  const failed = (error) => debug('could not sample: %o', error);

  /** This is called by a timer: what it throws would end the process. */
  function tell(text) {
    for (const viewer of viewers) {
      try {
        viewer(text);
      } catch (error) {
        viewers.delete(viewer);
        failed(error);
      }
    }
  }

  async function takeSample() {
    // Whoever comes first is shown figures at once.
    if (lastSample !== null) await withPatience(askOnce(), PATIENCE_MS);
    const at = await snapshot();
    if (!running) return;
    const { ledger: _, ...figures } = at;
    const seen = { at, ledger, purges: purges() };
    const row = JSON.stringify(READERS.map((read) => read(seen) ?? null));
    ledger = null;
    rows.push(row);
    if (rows.length > HISTORY) rows.shift();
    lastSample = message('sample', `{"row":${row},"figures":${JSON.stringify(figures)}}`);
    tell(lastSample);
  }

  async function askDiagnosis() {
    const answer = await diagnosis();
    if (!running || answer === found?.answer) return;
    found = { answer, text: message('diagnosis', JSON.stringify({ time: Date.now(), ...answer })) };
    ledger = answer.ledger;
    tell(found.text);
  }

  const sampleOnce = shared(() => takeSample().catch(failed));
  const askOnce = shared(() => askDiagnosis().catch(failed));

  function tick() {
    if (viewers.size === 0) nobodySince ??= now();
    if (nobodySince !== null && now() - nobodySince >= LINGER_MS) stop();
    if (!running) return;
    // Whoever has gone, or is on a server that closes, is seen even while no sample can be had.
    tell('');
    askOnce();
    sampleOnce();
  }

  /** Without it there are the figures still, and a diagnosis that cannot tell growth. */
  function startWindow() {
    try {
      return watch();
    } catch (error) {
      failed(error);
      return null;
    }
  }

  function start() {
    running = { timer: setInterval(tick, INTERVAL_MS).unref(), window: startWindow() };
    tick();
  }

  /** What was seen is of no use to whoever comes later: nobody has seen what came after it. */
  function stop() {
    clearInterval(running.timer);
    running.window?.stop();
    running = null;
    rows.length = 0;
    found = null;
    ledger = null;
    lastSample = null;
  }

  return {
    join(viewer) {
      viewers.add(viewer);
      nobodySince = null;
      // The last row comes with the last sample.
      const past = rows.slice(0, -1).join();
      viewer(message('history', `{"columns":${JSON.stringify(NAMES)},"rows":[${past}]}`));
      if (!running) start();
      else for (const text of [lastSample, found?.text]) if (text) viewer(text);
    },
    leave: (viewer) => viewers.delete(viewer),
    get viewers() {
      return viewers.size;
    },
  };
}

module.exports = { createSampler, message };
