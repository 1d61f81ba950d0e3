'use strict';
// GET …/live: what the sampler says, as server-sent events.

const os = require('node:os');

const { ERR_HEAPGAP_BUSY } = require('../errors.js');
const { programName } = require('../program.js');
const { refuseCrossSite } = require('./cross-site.js');
const { createClosing, isGone } = require('./presence.js');
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
  // In a container each process may have the same pid as the one before it.
  started: Math.round(performance.timeOrigin),
  version: require('../../package.json').version,
  node: process.version,
  title: programName(),
  host: os.hostname(),
});

/** A browser would ask for the page's next request on the connection that a closing server waits for. */
const headersFor = ({ httpVersionMajor }) =>
  httpVersionMajor >= 2 ? HEADERS : { ...HEADERS, Connection: 'close' };

/** Makes what serves the stream; `about()` gives what its hello says beside. */
function createLive(sources) {
  const sampler = createSampler(sources);
  const isClosing = createClosing();

  /** What the sampler gives its text to. */
  function viewerOf({ socket }, res) {
    const server = socket?.server;
    const leave = () => sampler.leave(viewer);
    function viewer(text) {
      if (isGone(socket, res)) leave();
      else if (isClosing(server)) res.end();
      else if (res.writableLength > MAX_WAITING) res.destroy();
      else if (text) res.write(text);
    }
    res.on('close', leave).on('error', leave);
    return viewer;
  }

  return (about) => async (req, res) => {
    refuseCrossSite(req, 'watch this process');
    if (sampler.viewers >= MAX_VIEWERS) {
      const why = `${MAX_VIEWERS} others watch this process already`;
      throw new Refusal(503, ERR_HEAPGAP_BUSY, why, { 'Retry-After': '10' });
    }
    if (res.headersSent || isGone(req.socket, res)) return;
    begin(res, 200, headersFor(req));
    if (req.method === 'HEAD') {
      res.end();
      return;
    }
    const viewer = viewerOf(req, res);
    viewer(`retry: 1000\n${message('hello', JSON.stringify({ ...hello(), ...about() }))}`);
    sampler.join(viewer);
  };
}

module.exports = { createLive };
