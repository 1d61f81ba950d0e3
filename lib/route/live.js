'use strict';
// GET …/live: what the sampler says, as server-sent events.

const { once } = require('node:events');
const os = require('node:os');
const path = require('node:path');

const { ERR_HEAPGAP_BUSY } = require('../errors.js');
const { refuseCrossSite } = require('./cross-site.js');
const { Refusal } = require('./refusal.js');
const { createSampler, message } = require('./sampler.js');
const { begin } = require('./send.js');

const MAX_VIEWERS = 32;
/** A viewer that takes nothing is let go when so much waits for it: it comes back, and is given the history. */
const MAX_WAITING = 2 ** 20;

const HEADERS = {
  'Content-Type': 'text/event-stream; charset=utf-8',
  // no-transform: a compressing middleware would hold the events back.
  'Cache-Control': 'no-store, no-transform',
  // nginx.org/en/docs/http/ngx_http_proxy_module.html, proxy_buffering
  'X-Accel-Buffering': 'no',
};

/** Who this is, so that a viewer sees when it talks to another process than before. */
const hello = () => ({
  pid: process.pid,
  version: require('../../package.json').version,
  node: process.version,
  title: path.basename(process.argv[1] ?? process.title),
  host: os.hostname(),
});

/** server.close() waits for requests to end: this one must not be what it waits for. */
const isClosing = ({ socket }) => socket?.server?.listening === false;

function createLive(sources) {
  const sampler = createSampler(sources);

  return async (req, res) => {
    refuseCrossSite(req, 'watch this process');
    if (sampler.viewers >= MAX_VIEWERS) {
      const why = `${MAX_VIEWERS} others watch this process already`;
      throw new Refusal(503, ERR_HEAPGAP_BUSY, why, { 'Retry-After': '10' });
    }
    begin(res, 200, HEADERS);
    if (req.method === 'HEAD') {
      res.end();
      return;
    }
    const gone = once(res, 'close');
    const viewer = (text) => {
      if (isClosing(req)) res.end();
      else if (res.writableLength > MAX_WAITING) res.destroy();
      else res.write(text);
    };
    viewer(`retry: 1000\n${message('hello', JSON.stringify(hello()))}`);
    sampler.join(viewer);
    await gone.catch(() => {});
    sampler.leave(viewer);
  };
}

module.exports = { createLive };
