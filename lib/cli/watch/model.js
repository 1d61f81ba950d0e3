'use strict';
// What is to be seen of a state: the same parts for a route's figures and for those from outside.

const { bytes, count, share } = require('./units.js');

const CHARTS = { RSS: 'rss', gap: 'gap', heap: 'heapUsed', allocated: 'allocated' };

const chart = (name, rows, read) => ({ name, values: rows.map((row) => read(row) ?? null) });

/** The limit, what is held against it and what is left; the most important first. */
function budgetItems({ limit, usage, unreclaimable, oomKills } = {}) {
  const held = unreclaimable ?? usage ?? null;
  if (limit === null || limit === undefined) {
    return ['no memory limit', held !== null && `${bytes(held)} used`];
  }
  return [
    `limit ${bytes(limit)}`,
    held !== null && `headroom ${bytes(limit - held)}`,
    held !== null && `${bytes(held)} used (${share(held, limit)})`,
    usage > held && `${bytes(usage - held)} reclaimable`,
    oomKills > 0 && count(oomKills, 'OOM kill'),
  ];
}

function governorLine(governor) {
  if (!governor) return null;
  const { running, level, limit, usage, purges, released } = governor;
  const done = `${count(purges, 'purge')}, ${bytes(released)} released`;
  if (!running) return `governor: stopped; ${done}`;
  return `governor: ${level}, ${bytes(usage)} of ${bytes(limit)}; ${done}`;
}

const MAX_ACTIONS = 3;

function verdictOf(diagnosis) {
  if (!diagnosis) return null;
  const { verdict, summary, findings } = diagnosis;
  const actions = findings.filter(({ action }) => action).slice(0, MAX_ACTIONS);
  return {
    name: verdict ?? 'no verdict',
    severity: findings[0]?.severity ?? 'healthy',
    summary: summary ?? '',
    actions: actions.map(({ code, action }) => `${code}: ${action}`),
  };
}

/** A service whose event loop is blocked sends nothing. */
const SILENT_MS = 3500;

/** How long what was done or noticed stays on the screen. */
const NOTICE_MS = 60_000;

function problemOf({ lost, heard }, now) {
  if (lost !== null) return `connection lost (${lost}); trying again`;
  const silentMs = now - heard;
  if (!(silentMs > SILENT_MS)) return null;
  return `no sample for ${Math.round(silentMs / 1000)} s: its event loop may be blocked`;
}

/** Of what a route sends. */
function insideModel(state, now) {
  const { source, hello, rows, figures, diagnosis, notice, noticed } = state;
  const { title, pid, host, node } = hello ?? {};
  return {
    title: title ?? source,
    facts: [pid && `pid ${pid}`, host && `on ${host}`, node, figures?.allocator, source],
    problem: problemOf(state, now),
    notice: now - noticed < NOTICE_MS ? notice?.text : null,
    charts: Object.entries(CHARTS).map(([name, column]) => chart(name, rows, (row) => row[column])),
    budget: budgetItems(figures ?? undefined),
    parts: diagnosis?.parts ?? [],
    whole: diagnosis?.rss ?? null,
    verdict: verdictOf(diagnosis),
    remark: governorLine(figures?.governor),
    keys: ['p purge', 'q quit'],
  };
}

const HOW_TO_SEE_MORE =
  "From outside: the allocator's figures, the verdict and a purge need heapgap's route in the process: " +
  'app.use(heapgap.route()), then heapgap watch http://localhost:<port>/debug/memory';

/** Of what the kernel shows of a process. */
function outsideModel({ pid, label, rows, notice }) {
  const last = rows.at(-1) ?? {};
  const { threads, swap, shmem } = last;
  const more = [
    Number.isFinite(threads) && count(threads, 'thread'),
    Number.isFinite(swap) && `swap ${bytes(swap)}`,
    Number.isFinite(shmem) && `shmem ${bytes(shmem)}`,
  ];
  return {
    title: label,
    facts: [`pid ${pid}`, ...more, 'from outside'],
    problem: null,
    notice,
    charts: [
      chart('RSS', rows, (row) => row.rss),
      chart('anon', rows, (row) => row.anon),
      chart('file', rows, (row) => row.file),
      chart('V8', rows, (row) => kindOf(row, 'v8')),
    ],
    budget: budgetItems(last),
    parts: partsOf(last),
    whole: last.rss ?? null,
    verdict: null,
    remark: HOW_TO_SEE_MORE,
    keys: ['q quit'],
  };
}

const kindOf = ({ kinds }, name) => kinds?.find(({ kind }) => kind === name)?.rss ?? null;

const partsOf = ({ kinds }) =>
  (kinds ?? [])
    .map(({ kind, rss }) => ({ name: kind, bytes: rss }))
    .filter((part) => part.bytes > 0)
    .sort((one, other) => other.bytes - one.bytes);

module.exports = { HOW_TO_SEE_MORE, insideModel, kindOf, outsideModel };
