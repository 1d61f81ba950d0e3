// The samples as columns, and the events that their counters tell of. Pure: no page in it.

import { groupBytes } from './parts.mjs';

/** An hour, which is more than a server keeps. */
const KEPT = 3600;
/** A pause of more than this between samples is a gap, not a line. */
const GAP_MS = 5000;
/** A ledger stands for no longer than this: the next should have come. */
const LEDGER_MS = 60_000;
/** Where the newest sample is so much older than the last, the server's clock was set back. */
const SET_BACK_MS = 5000;

/** `null` where either is not known. */
const rise = (before, after) =>
  before === null || after === null ? null : Math.max(0, after - before);

/** Each looks at two samples in a row. */
const STEPS = [
  {
    kind: 'purge',
    steps: (a, b) => rise(a.purges, b.purges),
    text: (n, a, b) => ({
      what: n === 1 ? 'Purge' : `${n} purges`,
      returned: rise(a.released, b.released),
    }),
  },
  {
    kind: 'governor',
    steps: (a, b) => rise(a.governorPurges, b.governorPurges),
    text: (n, a, b) => ({
      what: n === 1 ? 'The governor purged' : `The governor purged ${n} times`,
      returned: rise(a.governorReleased, b.governorReleased),
    }),
  },
  {
    kind: 'collection',
    steps: (a, b) => rise(a.collections, b.collections),
    text: () => ({ what: 'The governor had V8 collect garbage', returned: null }),
  },
  {
    kind: 'level',
    steps: (a, b) =>
      a.governorLevel !== null && b.governorLevel !== null && a.governorLevel !== b.governorLevel
        ? 1
        : 0,
    text: (_, a, b) => ({
      what: `The governor’s level: ${a.governorLevel} → ${b.governorLevel}`,
      returned: null,
    }),
  },
  {
    kind: 'oom',
    steps: (a, b) => rise(a.oomKills, b.oomKills),
    text: (n) => ({
      what: `The OOM killer ended ${n === 1 ? 'a process' : `${n} processes`} of this container`,
      returned: null,
    }),
  },
];

/** What happened between two samples. */
export function eventsBetween(before, after) {
  return STEPS.flatMap(({ kind, steps, text }) => {
    const n = steps(before, after);
    return n > 0 ? [{ time: after.time, kind, ...text(n, before, after) }] : [];
  });
}

export class History {
  samples = [];
  events = [];
  #columns = [];
  #ledger = null;

  clear() {
    this.samples = [];
    this.events = [];
    this.#ledger = null;
  }

  /** Takes in what the server has kept; what is known already stays. */
  merge({ columns, rows }) {
    this.#columns = columns;
    for (const row of rows) this.#take(this.#sampleOf(row));
  }

  /** The newest sample. */
  add(row) {
    const sample = this.#sampleOf(row);
    if (this.last && sample.time < this.last.time - SET_BACK_MS) this.clear();
    this.#take(sample);
  }

  #sampleOf(row) {
    return Object.fromEntries(this.#columns.map((name, i) => [name, row[i]]));
  }

  #take(sample) {
    const { last } = this;
    // After a lost connection the server tells again what is known.
    if (last && sample.time <= last.time) return;
    if (sample.ledger) this.#ledger = { time: sample.time, bytes: sample.ledger };
    const isOld = this.#ledger && sample.time - this.#ledger.time > LEDGER_MS;
    sample.ledger = isOld ? null : (this.#ledger?.bytes ?? null);
    if (last) this.events.push(...eventsBetween(last, sample));
    this.samples.push(sample);
    if (this.samples.length > KEPT) this.samples.shift();
    if (this.events.length > KEPT) this.events.splice(0, this.events.length - KEPT);
  }

  get last() {
    return this.samples.at(-1) ?? null;
  }

  #since(ms) {
    const since = (this.last?.time ?? 0) - ms;
    return this.samples.filter(({ time }) => time >= since);
  }

  /** The highest value of a column within the last `ms`; 0 where it is not known. */
  highest(ms, name) {
    return this.#since(ms).reduce((most, sample) => Math.max(most, sample[name] ?? 0), 0);
  }

  /** Of the last `ms`: `times` in seconds, and a list for each reader. A gap has a time with nothing at it. */
  columns(ms, readers) {
    const shown = this.#since(ms);
    const withGaps = shown.flatMap((sample, i) => {
      const before = shown[i - 1];
      const isGap = before && sample.time - before.time > GAP_MS;
      return isGap ? [{ time: before.time + 1000, isGap }, sample] : [sample];
    });
    const times = withGaps.map(({ time }) => time / 1000);
    const values = readers.map((read) =>
      withGaps.map((sample) => (sample.isGap ? null : (read(sample) ?? null))),
    );
    return { samples: withGaps, times, values };
  }
}

/** For the stacked chart: readers of what each group and those below it hold together. */
export const stackReaders = (groups) =>
  groups.map((_, i) => ({ ledger }) => {
    if (!ledger) return null;
    return groupBytes(ledger)
      .slice(0, i + 1)
      .reduce((sum, each) => sum + (each ?? 0), 0);
  });
