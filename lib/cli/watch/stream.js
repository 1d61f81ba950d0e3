'use strict';
// Follows GET …/live, through lost connections.

const { setTimeout: wait } = require('node:timers/promises');

const { createEventParser } = require('./events.js');
const { ask, below, reasonOf, refusalOf } = require('./request.js');

const RETRY_MS = 1000;
/** After a host that is gone without a word. */
const KEEPALIVE_MS = 10_000;

/** What a route says. Other events of `follow` are its own, and whoever answers must not make them. */
const EVENTS = new Set(['hello', 'history', 'sample', 'diagnosis']);

const HEADERS = { Accept: 'text/event-stream', 'Cache-Control': 'no-store' };

async function open(url, { token, signal }) {
  const response = await ask(below(url, '/live'), { headers: HEADERS, token, signal });
  response.socket.setKeepAlive(true, KEEPALIVE_MS);
  if (response.statusCode !== 200) throw new Error((await refusalOf(response)).why);
  const type = response.headers['content-type'] ?? 'nothing';
  if (/^text\/event-stream\b/i.test(type)) return response;
  response.destroy();
  throw new Error(`no stream of heapgap's route: it answers ${type}`);
}

/** Each event of the route, as `{ event, data }` with the data parsed. */
async function* eventsOf(response) {
  const parser = createEventParser();
  for await (const bytes of response) {
    for (const { event, data } of parser.push(bytes)) {
      if (EVENTS.has(event)) yield { event, data: JSON.parse(data) };
    }
  }
}

/**
 * Every event, and `lost` with a `reason` in between. Throws where the first connection fails; later ones are tried
 * again until `signal` says to end.
 */
async function* follow(url, { token, signal }) {
  let response = await open(url, { token, signal });
  while (!signal.aborted) {
    let reason = 'it was closed';
    try {
      response ??= await open(url, { token, signal });
      yield* eventsOf(response);
    } catch (error) {
      reason = reasonOf(error);
    } finally {
      response?.destroy();
      response = null;
    }
    if (signal.aborted) return;
    yield { event: 'lost', data: { reason } };
    await wait(RETRY_MS, undefined, { signal }).catch(() => {});
  }
}

module.exports = { follow };
