'use strict';
// govern(): options, and the events of the governor's thread.

const { EventEmitter } = require('node:events');

const { alreadyGoverned, invalidArg, loaded } = require('./errors.js');
const { addon, why } = require('./native.js');
const { MAX_MS, boolean, readOptions } = require('./options.js');
const table = require('./table.js');

const share = (fallback) => ({
  default: fallback,
  check: (value) => Number.isFinite(value) && value > 0 && value <= 1,
  expected: 'a number above 0 and up to 1',
});
const interval = (fallback, least) => ({
  default: fallback,
  check: (value) => Number.isFinite(value) && value >= least && value <= MAX_MS,
  expected: `a number from ${least} to ${MAX_MS}`,
});

/** docs/governor.md has the measurements behind the defaults. */
const OPTIONS = {
  limit: {
    default: undefined,
    check: (value) => Number.isSafeInteger(value) && value > 0,
    expected: 'a positive integer number of bytes',
  },
  pressureMark: share(0.8),
  calmMark: share(0.7),
  limitMark: share(0.9),
  dirtyMark: share(0.2),
  calmAfterMs: interval(5000, 0),
  purgeEveryMs: interval(60_000, 0),
  minIntervalMs: interval(5, 1),
  maxIntervalMs: interval(1000, 1),
  gc: boolean(false),
  profileOnPressure: {
    default: false,
    check: (value) => typeof value === 'boolean' || (typeof value === 'object' && value !== null),
    expected: 'a boolean or an object',
  },
};

/** Each of these pairs in order: a lower mark above the higher would flip at every look. */
const ORDERED = [
  ['calmMark', 'pressureMark'],
  ['pressureMark', 'limitMark'],
  ['minIntervalMs', 'maxIntervalMs'],
];

/** What is not named is as in `settled`. */
const withDefaults = (settled) =>
  Object.fromEntries(
    Object.entries(OPTIONS).map(([name, option]) => [
      name,
      { ...option, default: Object.hasOwn(settled, name) ? settled[name] : option.default },
    ]),
  );

/** Loaded where it is asked for only. */
const pressureProfiles = () => loaded(() => require('./profiler/on-pressure.js'));

function settingsOf(options, settled) {
  const settings = readOptions(withDefaults(settled), options, 'govern');
  if (settings.profileOnPressure) {
    settings.profileOnPressure = pressureProfiles().settingsOf(settings.profileOnPressure);
  }
  for (const [low, high] of ORDERED) {
    if (settings[low] <= settings[high]) continue;
    throw invalidArg(low, `a number up to \`${high}\`, ${settings[high]}`, settings[low]);
  }
  return settings;
}

/** The one that this thread has started, until it is stopped. */
let current = null;
/** Until what one that gave way had started is stopped. */
let leaving = Promise.resolve();

class Governor extends EventEmitter {
  #id = null;
  /** Of one that the environment asked for. */
  #replaceable;
  #stopped = null;
  #collect = null;
  #profiles = null;

  constructor({ profileOnPressure, ...settings }, replaceable) {
    super();
    this.#replaceable = replaceable ? { ...settings, profileOnPressure } : null;
    if (!addon) return;
    this.#id = addon.govern(settings, (event) => this.#hear(event));
    if (profileOnPressure) this.#profiles = this.#profileInto(profileOnPressure);
  }

  #profileInto(settings) {
    const { PressureProfiles } = pressureProfiles();
    return new PressureProfiles(settings, (kept) => this.emit('profile', kept), leaving);
  }

  state() {
    const state = governorState();
    const reason = this.#profiles?.reason ?? null;
    if (reason === null) return state;
    return { ...state, notes: [...state.notes, { field: 'profileOnPressure', reason }] };
  }

  stop() {
    if (current === this) current = null;
    this.#stopped ??= this.#stopNow();
    return this.#stopped;
  }

  async #stopNow() {
    if (this.#id !== null) await addon.stopGovernor(this.#id);
    await this.#profiles?.stop();
  }

  #hear(written) {
    const { event, ...figures } = JSON.parse(written);
    if (this.#stopped) return;
    if (event === 'collect') this.#collectNow(figures);
    else this.emit(event, figures);
    if (event === 'pressure' || event === 'limit') this.#profiles?.take();
  }

  #collectNow(which) {
    const { freed, durationMs } = this.#tryToCollect(which);
    addon.governorCollected(freed, durationMs);
  }

  #tryToCollect(which) {
    try {
      // Loaded when first needed: it takes more memory than all the rest of the governor.
      this.#collect ??= require('./collector.js').createCollector();
      return this.#collect(which);
    } catch {
      // No descriptor is left to load it with. The next time, perhaps.
      return { freed: 0, durationMs: 0 };
    }
  }

  /** The settings that the environment asked for, which hold where the program names none. */
  static settled(governor) {
    return governor?.#replaceable ?? {};
  }

  /** Ends one that the environment asked for, so that the program's own can start at once. */
  static giveWay(governor) {
    if (!governor?.#replaceable) return;
    addon?.dismissGovernor(governor.#id);
    leaving = governor.#profiles?.stop() ?? leaving;
    current = null;
  }
}

if (Symbol.asyncDispose) {
  Object.defineProperty(Governor.prototype, Symbol.asyncDispose, {
    value: Governor.prototype.stop,
  });
}

/** `replaceable`: gives way to a later call, instead of making it fail. */
function govern(options, { replaceable = false } = {}) {
  const settings = settingsOf(options, Governor.settled(current));
  Governor.giveWay(current);
  // As the addon would: what works where there is none must work elsewhere.
  if (!addon && current) throw alreadyGoverned();
  current = new Governor(settings, replaceable);
  return current;
}

const slots = table.emptySlots();
let labels;
let generation;

/** What the governor sees and has done; `null` where there never was one. */
function governorFigures() {
  if (!addon) return null;
  const now = addon.readGovernor(slots);
  if (now !== generation) {
    labels = addon.governorLabels();
    generation = now;
  }
  return table.governorOf(slots);
}

function governorState() {
  const figures = governorFigures();
  return figures
    ? { ...figures, notes: labels.notes }
    : { ...NEVER, notes: [{ field: '*', reason: why }] };
}

const NEVER = {
  running: false,
  level: null,
  limit: null,
  usage: null,
  limitSource: null,
  dirty: null,
  tightened: false,
  purges: 0,
  released: 0,
  purgeMs: 0,
  flips: 0,
  collections: 0,
  oomKills: null,
};

module.exports = { govern, governorFigures };
