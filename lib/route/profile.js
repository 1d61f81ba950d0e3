'use strict';
// GET …/profile: jemalloc's heap profile, for those who have opened it, one at a time.

const {
  ERR_HEAPGAP_BUSY,
  ERR_HEAPGAP_FORBIDDEN,
  ERR_HEAPGAP_PROFILER,
  ERR_HEAPGAP_PROFILER_UNAVAILABLE,
  invalidArg,
} = require('../errors.js');
const { SAMPLE_BYTES } = require('../profiler/calls.js');
const { prefersHtml } = require('./accept.js');
const { refuseCrossSite } = require('./cross-site.js');
const { fileName } = require('../file-name.js');
const { createClosing, isGone } = require('./presence.js');
const { refuseOtherProcess } = require('./purge.js');
const { Refusal } = require('./refusal.js');
const { begin, isAnswered, sendText } = require('./send.js');

/** Nobody waits for longer, and neither do the proxies in between. */
const MAX_SECONDS = 600;
const SECONDS = {
  default: 30,
  check: (value) => value >= 0 && value <= MAX_SECONDS,
  expected: `a number from 0 to ${MAX_SECONDS}`,
};

/**
 * A flame graph is a document with a script of its own, and its names come from whatever code the process runs: it
 * may load nothing, and is a stranger to the site that it is shown on.
 */
const FLAMEGRAPH_POLICY = [
  "default-src 'none'",
  "script-src 'unsafe-inline'",
  "style-src 'unsafe-inline'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'self'",
  'sandbox allow-scripts',
].join('; ');

const HEADERS = {
  // As Go's net/http/pprof answers.
  pprof: () => ({
    'Content-Type': 'application/octet-stream',
    'Content-Disposition': `attachment; filename="${fileName('pb.gz')}"`,
  }),
  flamegraph: () => ({
    'Content-Type': 'image/svg+xml',
    'Content-Disposition': `inline; filename="${fileName('svg')}"`,
    'Content-Security-Policy': FLAMEGRAPH_POLICY,
    'X-Frame-Options': 'SAMEORIGIN',
    'Referrer-Policy': 'no-referrer',
  }),
};

const FORMAT = {
  check: (value) => Object.hasOwn(HEADERS, value),
  expected: 'the string pprof or flamegraph',
};

const headersFor = ({ format }) => ({ ...HEADERS[format](), Vary: 'Accept' });

const textOf = (text) => text;
/** What else Number() reads is nothing that one would write in an address: an empty text, 0x1e. */
const numberOf = (text) => (/^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN);

function readParameter(parameters, name, { default: fallback, check, expected }, parse) {
  const given = parameters.getAll(name);
  if (given.length === 0) return fallback;
  const value = given.length === 1 ? parse(given[0]) : Number.NaN;
  if (check(value)) return value;
  const got = Number.isNaN(value) ? given.join(', ') : value;
  const { message, code } = invalidArg(name, `${expected}, given once`, got);
  throw new Refusal(400, code, message);
}

function readQuery({ headers }, query) {
  const parameters = new URLSearchParams(query);
  const format = { ...FORMAT, default: prefersHtml(headers.accept) ? 'flamegraph' : 'pprof' };
  const settings = {
    seconds: readParameter(parameters, 'seconds', SECONDS, numberOf),
    sampleBytes: readParameter(parameters, 'sampleBytes', SAMPLE_BYTES, numberOf),
    format: readParameter(parameters, 'format', format, textOf),
  };
  if (settings.seconds > 0 || settings.sampleBytes === undefined) return settings;
  const expected = 'left out where `seconds` is 0: what is there has been sampled already';
  const { message, code } = invalidArg('sampleBytes', expected, settings.sampleBytes);
  throw new Refusal(400, code, message);
}

const OFF =
  'heap profiles are not served: each shows the names of functions and files, and slows the process down while it is ' +
  'taken; give route() the option `profile: true` to serve them';

const NOTHING_SAMPLED =
  'nothing has been sampled: `seconds=0` shows what was sampled so far, which takes profiler.start() in the program ' +
  'beforehand; ask for some seconds to sample now';

/** The sum, in the second line of jemalloc's text (src/prof_data.c, prof_dump_header). */
const isEmpty = (text) => /^\s*t\*: 0: /m.test(text.toString('latin1', 0, 200));

/** The profiler's own refusals as answers. */
function refusalOf(error) {
  const { code, message } = error;
  if (code === ERR_HEAPGAP_BUSY) return new Refusal(409, code, message);
  if (code === ERR_HEAPGAP_PROFILER_UNAVAILABLE) return new Refusal(403, code, message);
  return error;
}

/** How often it is looked whether there is still somebody to answer, where no event tells. */
const LOOK_EVERY_MS = 1000;

/** Makes what serves profiles of `profiler`. */
function createProfiles(profiler) {
  const isClosing = createClosing();

  async function take({ seconds, format, sampleBytes }, signal) {
    if (seconds > 0) return profiler.profile({ seconds, format, sampleBytes, signal });
    if (!profiler.active && isEmpty(await profiler.dump({ format: 'jeheap' }))) {
      throw new Refusal(409, ERR_HEAPGAP_PROFILER, NOTHING_SAMPLED);
    }
    return profiler.dump({ format });
  }

  /** Takes one for as long as there is somebody to answer. */
  async function takeFor({ socket }, res, settings) {
    const server = socket?.server;
    const controller = new AbortController();
    const look = () => (isClosing(server) || isGone(socket, res)) && leave();
    const timer = setInterval(look, LOOK_EVERY_MS).unref();
    function leave() {
      // A socket of HTTP/2 must not be looked at once it is gone.
      clearInterval(timer);
      controller.abort();
    }
    look();
    res.once('close', leave);
    try {
      return await take(settings, controller.signal);
    } catch (error) {
      if (!controller.signal.aborted) throw refusalOf(error);
      throw new Refusal(503, ERR_HEAPGAP_PROFILER, 'this server is closing');
    } finally {
      clearInterval(timer);
      res.off('close', leave);
    }
  }

  function refuse(req, query, enabled) {
    if (!enabled) throw new Refusal(403, ERR_HEAPGAP_FORBIDDEN, OFF);
    refuseCrossSite(req, 'take a heap profile');
    refuseOtherProcess(query);
    const { why } = profiler;
    if (why !== null) throw new Refusal(403, ERR_HEAPGAP_PROFILER_UNAVAILABLE, why);
  }

  const serve = (enabled) => async (req, res, query) => {
    refuse(req, query, enabled);
    const settings = readQuery(req, query);
    if (isAnswered(res)) return;
    if (req.method === 'HEAD') {
      begin(res, 200, headersFor(settings));
      res.end();
      return;
    }
    const data = await takeFor(req, res, settings);
    sendText(req, res, 200, data, headersFor(settings));
  };

  /** Why none is served, or `null`. */
  const whyNone = (enabled) => (enabled ? profiler.why : OFF);

  return { serve, whyNone };
}

module.exports = { createProfiles };
