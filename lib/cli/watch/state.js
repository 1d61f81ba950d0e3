'use strict';
// What is known of the watched process. What the other end sends is foreign: only the fields that are
// shown are taken over, numbers as numbers and text without what a terminal would obey.

const { plain } = require('../../doctor/report.js');

/** As many as the route remembers. */
const MAX_ROWS = 600;

const array = (value) => (Array.isArray(value) ? value : []);
const number = (value) => (Number.isFinite(value) ? value : null);
const text = (value) => (typeof value === 'string' ? plain(value) : null);
const cell = (value) => text(value) ?? number(value);
const byName = (names, values) =>
  Object.fromEntries(array(names).map((name, at) => [name, cell(array(values)[at])]));

const startState = (source) => ({
  source,
  /** Why there is no connection; `null` where there is one. */
  lost: null,
  /** What was last done or noticed, as `{ text }`: another object each time, also where the text is the same. */
  notice: null,
  /** When that was, and when anything last came, in milliseconds. */
  noticed: 0,
  heard: 0,
  hello: null,
  columns: [],
  rows: [],
  figures: null,
  diagnosis: null,
});

function readHello(data) {
  const { pid, started, title, host, node, version } = data ?? {};
  return {
    pid: number(pid),
    started: number(started),
    title: text(title),
    host: text(host),
    node: text(node),
    version: text(version),
  };
}

function readFigures(data) {
  const { allocator, cgroup, governor } = data ?? {};
  return {
    allocator: [text(allocator?.name), text(allocator?.version)].filter(Boolean).join(' '),
    dirty: number(allocator?.dirty),
    limit: number(cgroup?.limit),
    usage: number(cgroup?.usage),
    unreclaimable: number(cgroup?.unreclaimable),
    oomKills: number(cgroup?.oomKills),
    governor: governor && {
      running: governor.running === true,
      level: text(governor.level),
      limit: number(governor.limit),
      usage: number(governor.usage),
      purges: number(governor.purges),
      released: number(governor.released),
    },
  };
}

function readDiagnosis(data) {
  const { verdict, summary, findings, ledger } = data ?? {};
  const parts = Object.entries(ledger?.parts ?? {}).map(([name, part]) => ({
    name: plain(name),
    bytes: number(part?.bytes),
  }));
  return {
    verdict: text(verdict),
    summary: text(summary),
    findings: array(findings).map((finding) => ({
      code: text(finding?.code),
      severity: text(finding?.severity),
      action: text(array(finding?.actions)[0]),
    })),
    rss: number(ledger?.rss),
    parts: parts
      .filter((part) => part.bytes !== null && part.bytes !== 0)
      .sort((one, other) => other.bytes - one.bytes),
  };
}

/** In a container the next process has the same id as the one before. */
const changeOf = (before, { pid }) =>
  before.pid === pid
    ? `process ${pid} has been started anew`
    : `another process answers: ${pid}, before it was ${before.pid}`;

function connected(state, data) {
  const hello = readHello(data);
  const before = state.hello;
  const isOther = before !== null && (before.pid !== hello.pid || before.started !== hello.started);
  const notice = isOther ? { text: changeOf(before, hello) } : state.notice;
  const kept = isOther ? startState(state.source) : state;
  return { ...kept, hello, lost: null, notice };
}

const READERS = {
  hello: connected,
  history: (state, data) => ({
    ...state,
    columns: array(data?.columns),
    rows: array(data?.rows)
      .map((row) => byName(data?.columns, row))
      .slice(-MAX_ROWS),
  }),
  sample: (state, data) => ({
    ...state,
    rows: [...state.rows, byName(state.columns, data?.row)].slice(-MAX_ROWS),
    figures: readFigures(data?.figures),
  }),
  diagnosis: (state, data) => ({ ...state, diagnosis: readDiagnosis(data) }),
  lost: (state, { reason }) => ({ ...state, lost: reason }),
  notice: (state, notice) => ({ ...state, notice }),
};

/** The state after an event of the stream, or of the keys. */
const next = (state, { event, data }) =>
  Object.hasOwn(READERS, event) ? READERS[event](state, data) : state;

module.exports = { next, startState };
