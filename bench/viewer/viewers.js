'use strict';
// Whoever looks: connections to GET …/live that take what they are sent.

const { once } = require('node:events');
const http = require('node:http');
const { setTimeout: sleep } = require('node:timers/promises');

const LIVE = '/debug/memory/live';
/** The sampler goes on for 15 s after the last viewer has left (lib/route/sampler.js); the rest is room. */
const LINGER_MS = 17_000;
/** Until the first sample and diagnosis are done, which compile what is never compiled again. */
const SETTLE_MS = 3000;

async function connect(port) {
  const request = http.get({ host: '127.0.0.1', port, path: LIVE, agent: false });
  const [response] = await once(request, 'response');
  if (response.statusCode !== 200) throw new Error(`${LIVE} answered ${response.statusCode}`);
  const viewer = { samples: 0, bytes: 0, leave: () => request.destroy() };
  response.on('error', () => {});
  response.setEncoding('utf8').on('data', (text) => {
    viewer.bytes += text.length;
    viewer.samples += text.split('event: sample\n').length - 1;
  });
  return viewer;
}

/** So many viewers of a service: comes to rest where there are others now, or none. */
class Viewers {
  #port;
  #viewers = [];

  constructor(port) {
    this.#port = port;
  }

  async set(count) {
    const wasWatched = this.#viewers.length > 0;
    while (this.#viewers.length > count) this.#viewers.pop().leave();
    while (this.#viewers.length < count) this.#viewers.push(await connect(this.#port));
    await sleep(count === 0 && wasWatched ? LINGER_MS : SETTLE_MS);
  }

  /** Samples that each has got so far. */
  samples() {
    return this.#viewers.map(({ samples }) => samples);
  }

  /** What the first of them was sent so far, in characters. */
  bytes() {
    return this.#viewers[0]?.bytes ?? null;
  }
}

module.exports = { Viewers };
