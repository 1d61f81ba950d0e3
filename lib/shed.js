'use strict';
// shed(): turns requests away while memory stays short after a purge, or another threshold is exceeded.

const { monitorEventLoopDelay } = require('node:perf_hooks');

const { ERR_HEAPGAP_SHED } = require('./errors.js');
const { readMemoryUsage } = require('./isolate.js');
const { MAX_MS, readOptions } = require('./options.js');
const { attempt, debug } = require('./attempt.js');

/** How often the event loop's delay is taken; @fastify/under-pressure's. */
const RESOLUTION_MS = 10;

/** A threshold; 0 is none. */
const threshold = (max, expected) => ({
  default: 0,
  check: (value) => Number.isFinite(value) && value >= 0 && value <= max,
  expected,
});
const NON_NEGATIVE = threshold(Number.MAX_VALUE, 'a non-negative number');

const OPTIONS = {
  retryAfter: {
    default: 10,
    // Whole seconds: RFC 9110, 10.2.3.
    check: (value) => Number.isInteger(value) && value >= 1 && value <= MAX_MS,
    expected: `an integer number from 1 to ${MAX_MS}`,
  },
  message: {
    default: 'Service Unavailable',
    check: (value) => typeof value === 'string' && value !== '',
    expected: 'a non-empty string',
  },
  maxEventLoopDelay: NON_NEGATIVE,
  maxEventLoopUtilization: threshold(1, 'a number from 0 to 1'),
  maxHeapUsedBytes: NON_NEGATIVE,
  maxRssBytes: NON_NEGATIVE,
  sampleInterval: {
    default: 1000,
    check: (value) => Number.isFinite(value) && value >= RESOLUTION_MS && value <= MAX_MS,
    expected: `a number from ${RESOLUTION_MS} to ${MAX_MS}`,
  },
};

/** The reason that each threshold gives, in the order in which they are asked. */
const REASONS = {
  maxEventLoopDelay: 'eventLoopDelay',
  maxHeapUsedBytes: 'heapUsedBytes',
  maxRssBytes: 'rssBytes',
  maxEventLoopUtilization: 'eventLoopUtilization',
};

/** On glibc a purge stalls threads that allocate: where RSS stays above its threshold, for one twentieth of the time. */
const PURGE_PAUSE = 20;

/** Takes the numbers that have a threshold, and purges before RSS is said to exceed its own. */
class Sampler {
  /** The reason of the first threshold that is exceeded, or `null`. */
  exceeded = null;
  eventLoopDelay = null;
  eventLoopUtilized = null;

  #settings;
  #purge;
  #memory;
  #now;
  #timer;
  #histogram = null;
  #utilization = performance.eventLoopUtilization();
  #sampledAt;
  #heapUsed = null;
  /** RSS where it was above its threshold after a purge, until it is below. */
  #purgedRss = null;
  #purging = false;
  #purgeRestsUntil = Number.NEGATIVE_INFINITY;

  constructor(settings, { purge, memory, now }) {
    this.#settings = settings;
    this.#purge = purge;
    this.#memory = memory;
    this.#now = now;
    this.#sampledAt = now();
    if (!this.hasThreshold) return;
    if (settings.maxEventLoopDelay > 0) {
      this.#histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
      this.#histogram.enable();
    }
    this.#timer = setInterval(() => this.#sample(), settings.sampleInterval);
    this.#timer.unref();
  }

  get hasThreshold() {
    return Object.keys(REASONS).some((name) => this.#settings[name] > 0);
  }

  stop() {
    clearInterval(this.#timer);
    this.#histogram?.disable();
    this.eventLoopDelay = null;
    this.eventLoopUtilized = null;
  }

  #sample() {
    const now = this.#now();
    const memory = this.#memory();
    this.eventLoopDelay = this.#takeDelay(now - this.#sampledAt);
    this.eventLoopUtilized = this.#takeUtilization();
    this.#heapUsed = memory?.heapUsed ?? null;
    this.#watchRss(memory?.rss ?? null, now);
    this.#sampledAt = now;
    this.#compare();
  }

  /** The mean since the last sample, beyond what the timer is set to. */
  #takeDelay(elapsedMs) {
    if (this.#histogram === null) return null;
    const { mean } = this.#histogram;
    this.#histogram.reset();
    // There is none where the event loop was blocked all the time: then this sample is late itself.
    const delay = Number.isNaN(mean)
      ? elapsedMs - this.#settings.sampleInterval
      : mean / 1e6 - RESOLUTION_MS;
    return Math.max(0, delay);
  }

  /** Since the last sample: since the start, an hour's rest would hide a busy minute. */
  #takeUtilization() {
    if (this.#settings.maxEventLoopUtilization === 0) return null;
    const last = this.#utilization;
    this.#utilization = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(this.#utilization, last);
    return Number.isFinite(utilization) ? utilization : null;
  }

  #isRssAbove(rss) {
    const { maxRssBytes } = this.#settings;
    return maxRssBytes > 0 && rss !== null && rss > maxRssBytes;
  }

  #watchRss(rss, now) {
    if (!this.#isRssAbove(rss)) this.#purgedRss = null;
    else if (!this.#purging && now >= this.#purgeRestsUntil) this.#purgeRss(now);
  }

  async #purgeRss(startedAt) {
    this.#purging = true;
    // A purge that fails has not helped either.
    await attempt(this.#purge).catch((error) => debug('could not purge: %o', error));
    this.#purging = false;
    this.#purgeRestsUntil = startedAt + PURGE_PAUSE * (this.#now() - startedAt);
    const rss = this.#memory()?.rss ?? null;
    this.#purgedRss = this.#isRssAbove(rss) ? rss : null;
    this.#compare();
  }

  #compare() {
    const figures = {
      maxEventLoopDelay: this.eventLoopDelay,
      maxHeapUsedBytes: this.#heapUsed,
      maxRssBytes: this.#purgedRss,
      maxEventLoopUtilization: this.eventLoopUtilized,
    };
    const isAbove = (name) =>
      this.#settings[name] > 0 && figures[name] !== null && figures[name] > this.#settings[name];
    const [name] = Object.keys(REASONS).filter(isAbove);
    this.exceeded = REASONS[name] ?? null;
  }
}

/** The governor takes microseconds to ask, and requests come faster than memory changes. */
const LEVEL_AGE_MS = 50;

/** The governor's level for each request; `read()` asks anew. */
function rememberLevel(governorFigures, now) {
  let readAt = Number.NEGATIVE_INFINITY;
  let atLimit = false;

  function read() {
    readAt = now();
    const figures = tryToRead(governorFigures);
    // The figures of one that has ended are those of its last look.
    atLimit = figures?.running === true && figures.level === 'limit';
    return figures;
  }

  return {
    read,
    isAtLimit: () => {
      if (now() - readAt >= LEVEL_AGE_MS) read();
      return atLimit;
    },
  };
}

function tryToRead(governorFigures) {
  try {
    return governorFigures() ?? null;
  } catch (error) {
    debug('could not ask the governor: %o', error);
    return null;
  }
}

/** Makes what answers a request; it tells whether the request has got an answer. */
function createAnswer({ message, retryAfter }) {
  const body = `${JSON.stringify({ error: { code: ERR_HEAPGAP_SHED, message } }, null, 2)}\n`;
  // No `Connection: close`: a client that comes back would pay for another handshake, and HTTP/2 forbids it.
  const headers = {
    'Content-Type': 'application/json; charset=utf-8',
    'Cache-Control': 'no-store',
    'Retry-After': String(retryAfter),
  };
  const sized = { ...headers, 'Content-Length': String(Buffer.byteLength(body)) };

  function answer(req, res) {
    if (isReply(res)) {
      // A string: an object would go through the route's schema for answers.
      res.code(503).headers(headers).send(body);
      return;
    }
    res.writeHead(503, sized);
    // A server with `rejectNonStandardBodyWrites` throws where HEAD is given one.
    res.end(req.method === 'HEAD' ? undefined : body);
  }

  return (req, res) => {
    const raw = isReply(res) ? res.raw : res;
    if (raw.headersSent) return false;
    try {
      answer(req, res);
      return true;
    } catch (error) {
      debug('could not turn a request away: %o', error);
      return raw.headersSent;
    }
  };
}

/** Fastify's, which has Node.js's response as `raw`. */
const isReply = (res) => typeof res.code === 'function' && res.raw !== undefined;

const IDLE =
  'shed() turns no request away: no governor runs in this process (call govern() before), and no threshold is set';

function emitWarning(message) {
  process.emitWarning(message, { type: 'HeapgapWarning', code: 'HEAPGAP_SHED' });
}

/**
 * Makes `shed()`: `governorFigures()` answers the governor's figures or `null`, `purge()` gives freed memory back,
 * `memory()` reads `process.memoryUsage()` or answers `null`. `now()` is a monotonic clock in milliseconds.
 */
function createShed({
  governorFigures,
  purge,
  warn = emitWarning,
  memory = () => readMemoryUsage(0),
  now = () => performance.now(),
}) {
  // Shared by all that shed() answers: there is one governor.
  const level = rememberLevel(governorFigures, now);
  let warned = false;

  function warnIfIdle(sampler) {
    if (warned || sampler.hasThreshold || level.read()?.running) return;
    warned = true;
    warn(IDLE);
  }

  return function shed(options) {
    const settings = readOptions(OPTIONS, options, 'shed');
    const sampler = new Sampler(settings, { purge, memory, now });
    const turnAway = createAnswer(settings);
    let stopped = false;
    let asked = false;
    let count = 0;

    function reason() {
      if (stopped) return null;
      return level.isAtLimit() ? 'limit' : sampler.exceeded;
    }

    function heapgapShed(req, res, next) {
      if (!asked) {
        asked = true;
        if (!stopped) warnIfIdle(sampler);
      }
      if (reason() !== null && turnAway(req, res)) count += 1;
      else if (typeof next === 'function') next();
    }

    function memoryUsage() {
      const governor = level.read();
      const { heapUsed = null, rss = null } = memory() ?? {};
      const { eventLoopDelay, eventLoopUtilized } = sampler;
      return {
        eventLoopDelay,
        eventLoopUtilized,
        heapUsed,
        rssBytes: rss,
        shedding: reason(),
        shed: count,
        governor,
      };
    }

    function stop() {
      stopped = true;
      sampler.stop();
    }

    return Object.assign(heapgapShed, { memoryUsage, stop });
  };
}

module.exports = { createShed };
