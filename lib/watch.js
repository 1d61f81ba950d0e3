'use strict';
// watch(): a bounded window of samples, so that growth can be told from size.

const { PerformanceObserver, constants } = require('node:perf_hooks');

const { MAX_MS, readOptions } = require('./options.js');

/** diagnose() copies them on the JavaScript thread: more would hold it for more than a millisecond. */
const MAX_CAPACITY = 5000;

const OPTIONS = {
  intervalMs: {
    default: 1000,
    check: (value) => Number.isFinite(value) && value >= 10 && value <= MAX_MS,
    expected: `a number from 10 to ${MAX_MS}`,
  },
  capacity: {
    default: 600,
    check: (value) => Number.isInteger(value) && value >= 2 && value <= MAX_CAPACITY,
    expected: `an integer number from 2 to ${MAX_CAPACITY}`,
  },
};

const total = (counts) => counts && Object.values(counts).reduce((sum, count) => sum + count, 0);

/**
 * The columns of a sample in the order in which they cross to Rust, which has the same list. Each is
 * taken from a snapshot and from what the watch itself knows.
 */
const COLUMNS = {
  // Counted by the clock that never goes back: a growth per second must not see the wall clock set.
  time: () => performance.timeOrigin + performance.now(),
  afterGc: (_, { afterGc }) => (afterGc ? 1 : 0),
  rss: (at) => at.process.rss,
  anon: (at) => at.process.anon,
  file: (at) => at.process.file,
  shmem: (at) => at.process.shmem,
  heapUsed: (at) => at.v8.heapUsed,
  heapTotal: (at) => at.v8.heapTotal,
  heapPhysical: (at) => at.v8.heapPhysical,
  arrayBuffers: (at) => at.v8.arrayBuffers,
  external: (at) => at.v8.external,
  allocated: (at) => at.allocator.allocated,
  active: (at) => at.allocator.active,
  dirty: (at) => at.allocator.dirty,
  muzzy: (at) => at.allocator.muzzy,
  metadata: (at) => at.allocator.metadata,
  threadCaches: (at) => at.allocator.threadCaches,
  free: (at) => at.allocator.free,
  threads: (at) => at.process.threads,
  fds: (at) => at.process.fds,
  resources: (at, { countAgain }) => total(at.resources ?? countAgain()),
  cgroupUsage: (at) => at.cgroup.usage,
  cgroupReclaimable: (at) => at.cgroup.reclaimable,
  majorGcs: (_, { majorGcs }) => majorGcs,
};

const NAMES = Object.keys(COLUMNS);
const READERS = Object.values(COLUMNS);
const WIDTH = NAMES.length;

/** Counting resources may hold the event loop for one thousandth of the time. */
const COUNTING_PAUSE = 1000;

/** Those that run: diagnose() takes one where it is told none. */
const running = new Set();

class Watch {
  #snapshot;
  #countResources;
  #countAgainAt = 0;
  /** `capacity` rows; the newest overwrite the oldest. */
  #ring;
  #capacity;
  #taken = 0;
  #majorGcs = 0;
  #gcPauseMs;
  #gcSampledAt = Number.NEGATIVE_INFINITY;
  #timer;
  #observer;

  constructor({ intervalMs, capacity }, snapshot, countResources) {
    this.#snapshot = snapshot;
    this.#countResources = countResources;
    this.#capacity = capacity;
    this.#ring = new Float64Array(capacity * WIDTH);
    this.#gcPauseMs = intervalMs / 4;
    this.#timer = setInterval(() => this.#take(false), intervalMs);
    this.#timer.unref();
    // Keeps no process alive, and is told of collections in a turn of the event loop of its own.
    this.#observer = new PerformanceObserver((list) => this.#collected(list.getEntries()));
    this.#observer.observe({ entryTypes: ['gc'] });
    running.add(this);
    this.#take(false);
  }

  get length() {
    return Math.min(this.#taken, this.#capacity);
  }

  get durationMs() {
    if (this.length < 2) return 0;
    return this.#timeOf(this.#taken - 1) - this.#timeOf(this.#taken - this.length);
  }

  sample() {
    if (running.has(this)) this.#take(false);
  }

  stop() {
    clearInterval(this.#timer);
    this.#observer.disconnect();
    running.delete(this);
  }

  #timeOf(index) {
    return this.#ring[(index % this.#capacity) * WIDTH];
  }

  /** Right after a major collection the heap holds little garbage: what grows then is a leak. */
  #collected(entries) {
    if (!running.has(this)) return;
    const major = entries.filter(
      ({ detail }) => detail?.kind === constants.NODE_PERFORMANCE_GC_MAJOR,
    );
    this.#majorGcs += major.length;
    const now = performance.now();
    // V8 collects without a pause where the heap is full: that must not fill the window.
    if (major.length === 0 || now - this.#gcSampledAt < this.#gcPauseMs) return;
    this.#gcSampledAt = now;
    this.#take(true);
  }

  #take(afterGc) {
    const first = (this.#taken % this.#capacity) * WIDTH;
    const countAgain = () => this.#countAgain();
    const own = { afterGc, majorGcs: this.#majorGcs, countAgain };
    const at = this.#tryToRead();
    READERS.forEach((read, column) => {
      this.#ring[first + column] = figureOf(read, at, own);
    });
    this.#taken += 1;
  }

  /**
   * Snapshots leave resources out for good once counting them took more than 1 ms. Here that would hide the
   * very leak: they are counted again, seldom if it takes long.
   */
  #countAgain() {
    const started = performance.now();
    if (!this.#countResources || started < this.#countAgainAt) return null;
    const counts = this.#countResources(true);
    this.#countAgainAt = started + COUNTING_PAUSE * (performance.now() - started);
    return counts;
  }

  #tryToRead() {
    try {
      return this.#snapshot();
    } catch {
      return null;
    }
  }

  /** The rows in the order of time. */
  #rows() {
    const rows = new Float64Array(this.length * WIDTH);
    const oldest = this.#taken > this.#capacity ? (this.#taken % this.#capacity) * WIDTH : 0;
    const tail = this.#ring.subarray(oldest, this.length * WIDTH);
    rows.set(tail);
    rows.set(this.#ring.subarray(0, oldest), tail.length);
    return rows;
  }

  /** For diagnose(): no part of the public surface. */
  static rowsOf(watch) {
    return watch.#rows();
  }

  static isWatch(value) {
    return value !== null && typeof value === 'object' && #rows in value;
  }
}

// Not in every version of Node.js from 20 on by this name; where it is, `using` stops a watch.
if (Symbol.dispose) {
  Object.defineProperty(Watch.prototype, Symbol.dispose, { value: Watch.prototype.stop });
}

/** NaN stands for what is not known. */
function figureOf(read, at, own) {
  try {
    return read(at, own) ?? Number.NaN;
  } catch {
    return Number.NaN;
  }
}

/** The running watch with the longest window, or `null`. */
function longestWatch() {
  const [first = null, ...others] = running;
  return others.reduce((best, each) => (each.durationMs > best.durationMs ? each : best), first);
}

/** Makes `watch()` from what reads a snapshot, and what counts resources however long that takes. */
function createWatch({ snapshot, countResources }) {
  return (options) => new Watch(readOptions(OPTIONS, options, 'watch'), snapshot, countResources);
}

const { isWatch, rowsOf } = Watch;

module.exports = { NAMES, createWatch, isWatch, longestWatch, rowsOf };
