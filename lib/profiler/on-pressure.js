'use strict';
// `govern({ profileOnPressure })`: what held the native memory when it ran short, kept for whoever looks later.

const os = require('node:os');
const path = require('node:path');

const { MAX_MS, readOptions } = require('../options.js');
const { SAMPLE_BYTES, dump, start, stop } = require('./calls.js');
const { keep } = require('./folder.js');
const { state } = require('../profiler.js');

const OPTIONS = {
  directory: {
    default: undefined,
    check: (value) => typeof value === 'string' && path.isAbsolute(value),
    expected: 'a string, an absolute path',
  },
  maxFiles: {
    default: 5,
    check: (value) => Number.isSafeInteger(value) && value > 0,
    expected: 'a positive integer number',
  },
  maxBytes: {
    default: 32 * 2 ** 20,
    check: (value) => Number.isSafeInteger(value) && value > 0,
    expected: 'a positive integer number of bytes',
  },
  minIntervalMs: {
    default: 60_000,
    check: (value) => Number.isFinite(value) && value >= 0 && value <= MAX_MS,
    expected: `a number from 0 to ${MAX_MS}`,
  },
  sampleBytes: SAMPLE_BYTES,
};

const defaultDirectory = () => path.join(os.tmpdir(), `heapgap-profiles-${process.geteuid()}`);

/** `given` is what stands for `profileOnPressure`. */
function settingsOf(given) {
  const options = given === true ? undefined : given;
  const settings = readOptions(OPTIONS, options, 'govern.profileOnPressure');
  return { ...settings, directory: settings.directory ?? defaultDirectory() };
}

class PressureProfiles {
  #settings;
  #tell;
  #last = -Infinity;
  #running = false;
  #startedHere = false;
  #started;
  /** Why nothing will be kept, once that is known. */
  reason = state().why;

  /**
   * Starts the profiler, where it does not run, once `after` is settled: what was allocated before is not in any
   * profile. `tell` hears of each that was kept, or why it was not.
   */
  constructor(settings, tell, after) {
    this.#settings = settings;
    this.#tell = tell;
    this.#started = this.reason === null ? this.#start(after) : Promise.resolve();
  }

  async #start(after) {
    try {
      await after;
      this.#startedHere = !state().active;
      await start({ sampleBytes: this.#settings.sampleBytes });
    } catch (error) {
      this.reason = error.message;
    }
  }

  /** One at a time, and not more often than the settings say. */
  async take() {
    const now = performance.now();
    if (this.reason !== null || this.#running) return;
    if (now - this.#last < this.#settings.minIntervalMs) return;
    this.#last = now;
    this.#running = true;
    const kept = await this.#keep();
    this.#running = false;
    this.#tell(kept);
  }

  async #keep() {
    const time = Date.now();
    try {
      await this.#started;
      const data = await dump({ format: 'pprof' });
      const file = await keep(this.#settings.directory, data, this.#settings, time);
      return { time, file, bytes: data.length, reason: null };
    } catch (error) {
      return { time, file: null, bytes: null, reason: error.message };
    }
  }

  /** Stops the profiler where it was started here. */
  async stop() {
    await this.#started;
    if (this.#startedHere) await stop();
  }
}

module.exports = { PressureProfiles, settingsOf };
