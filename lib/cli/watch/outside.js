'use strict';
// A process as the kernel shows it, where it brings no route.

const fs = require('node:fs/promises');
const { setTimeout: wait } = require('node:timers/promises');

const { labelOf, readStat } = require('../../doctor/facts/process.js');
const { plain } = require('../../doctor/report.js');
const { addon, why } = require('../../native.js');

const PROC = '/proc';
const INTERVAL_MS = 1000;
/** The kernel looks at every page for these, and keeps the process from mapping memory meanwhile. */
const KINDS_EVERY = 3;
const MAX_ROWS = 600;

/** Its program and script; other arguments may hold secrets. */
async function describe({ pid, name }) {
  const folder = `${PROC}/${pid}`;
  const program = await fs.readlink(`${folder}/exe`).catch(() => null);
  const command = await fs.readFile(`${folder}/cmdline`, 'utf8').catch(() => '');
  return plain(labelOf(program, name, command.split('\0').slice(0, -1)));
}

const reasonFor = (notes, field) => notes.find((note) => note.field === field)?.reason;

/** Whether there is enough to be seen; throws where not. */
function check(pid, { rss, kinds, notes }) {
  if (rss === null) throw new Error(`process ${pid} has no memory of its own: a kernel thread`);
  const reason = kinds === null ? reasonFor(notes, 'kinds') : undefined;
  if (/permi/i.test(reason)) {
    throw new Error(`process ${pid} may only be watched by its user or root (${reason})`);
  }
  return reason === undefined ? null : `its address space is not shown: ${reason}`;
}

/**
 * A state each second until the process has ended, or `signal` says to end. Throws where there is none, or it may not
 * be looked at.
 */
async function* samples(pid, { signal }) {
  if (!addon) throw new Error(why);
  const found = await readStat(PROC, pid);
  if (found === null) throw new Error(`there is no process ${pid}`);
  let state = { pid, label: await describe(found), rows: [], notice: null };
  let kinds = null;
  for (let turn = 0; !signal.aborted; turn++) {
    const seen = JSON.parse(await addon.outside(pid, turn % KINDS_EVERY === 0));
    const now = await readStat(PROC, pid);
    // Another one may have been given its number since.
    if (now?.start !== found.start) return;
    if (turn === 0) state = { ...state, notice: check(pid, seen) };
    kinds = seen.kinds ?? kinds;
    const { notes, ...figures } = seen;
    state = { ...state, rows: [...state.rows, { ...figures, kinds }].slice(-MAX_ROWS) };
    yield state;
    await wait(INTERVAL_MS, undefined, { signal }).catch(() => {});
  }
}

module.exports = { samples };
