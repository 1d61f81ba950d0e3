'use strict';
// `heapgap watch`: a process's memory, live: through its route, or from outside.

const { insideModel, outsideModel } = require('./watch/model.js');
const { samples } = require('./watch/outside.js');
const { newLines, outsideLines } = require('./watch/plain.js');
const { createPresenter } = require('./watch/present.js');
const { purge } = require('./watch/purge.js');
const { reasonOf } = require('./watch/request.js');
const { next, startState } = require('./watch/state.js');
const { follow } = require('./watch/stream.js');
const { parseTarget, shownAddress } = require('./watch/target.js');
const { fail, say, usageError } = require('./output.js');

const EXIT_CANNOT_WATCH = 2;

async function watch(words) {
  let target;
  try {
    target = parseTarget(words);
  } catch (error) {
    return usageError(error.message);
  }
  // Whoever reads has had enough (`| head`), or the terminal is gone.
  process.stdout.on('error', () => process.exit());
  return target.url ? watchRoute(target.url) : watchProcess(target.pid);
}

async function watchRoute(url) {
  const { eventsBetween } = await import('../../dashboard/history.mjs');
  const token = process.env.HEAPGAP_TOKEN;
  const controller = new AbortController();
  const { signal } = controller;
  let state = startState(shownAddress(url));
  let purging = false;

  function apply(event) {
    const before = state;
    const after = next(before, event);
    const now = Date.now();
    const noticed = after.notice === before.notice ? before.noticed : now;
    state = { ...after, heard: event.event === 'notice' ? before.heard : now, noticed };
    presenter.show(before, state, event.event);
  }

  const notice = (text) => apply({ event: 'notice', data: { text } });

  async function startPurge() {
    if (purging || !state.hello?.pid) return;
    purging = true;
    notice('purging…');
    const outcome = await purge(url, { pid: state.hello.pid, token, signal });
    purging = false;
    if (!signal.aborted) notice(outcome);
  }

  function onKey(key) {
    if (key === 'q') controller.abort();
    if (key === 'p') startPurge();
  }

  const linesOf = (before, after, event) => newLines(before, after, event, eventsBetween);
  const presenter = createPresenter({ modelOf: insideModel, linesOf, onKey });
  try {
    for await (const event of follow(url, { token, signal })) apply(event);
  } catch (error) {
    if (state.hello !== null) throw error;
    fail(`cannot watch ${state.source}: ${reasonOf(error)}`, EXIT_CANNOT_WATCH);
  } finally {
    presenter.close();
  }
}

async function watchProcess(pid) {
  const controller = new AbortController();
  const { signal } = controller;
  const onKey = (key) => key === 'q' && controller.abort();
  const presenter = createPresenter({ modelOf: outsideModel, linesOf: outsideLines, onKey });
  let seen = false;
  try {
    for await (const state of samples(pid, { signal })) {
      presenter.show(null, state);
      seen = true;
    }
  } catch (error) {
    if (seen) throw error;
    return fail(`cannot watch: ${error.message}`, EXIT_CANNOT_WATCH);
  } finally {
    presenter.close();
  }
  if (!signal.aborted) say(`process ${pid} has ended`);
}

module.exports = { watch };
