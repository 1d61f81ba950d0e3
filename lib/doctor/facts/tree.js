'use strict';
// Which process started which.

const fs = require('node:fs/promises');

const { readStat } = require('./process.js');

/** Every process there is, as `readStat` has it. */
async function listProcesses(proc) {
  const names = await fs.readdir(proc);
  const pids = names.filter((name) => /^\d+$/.test(name)).map(Number);
  const stats = await Promise.all(pids.map((pid) => readStat(proc, pid)));
  return stats.filter(Boolean);
}

/** `pid` and all below it; with `session`, also what left the tree but not that session. */
function descendants(all, pid, session = null) {
  const children = groupByParent(all);
  const found = new Map();
  const visit = (stat) => {
    if (found.has(stat.pid)) return;
    found.set(stat.pid, stat);
    for (const child of children.get(stat.pid) ?? []) visit(child);
  };
  for (const stat of all) {
    if (stat.pid === pid || (session !== null && stat.session === session)) visit(stat);
  }
  return [...found.values()];
}

function groupByParent(all) {
  const children = new Map();
  for (const stat of all) {
    if (!children.has(stat.ppid)) children.set(stat.ppid, []);
    children.get(stat.ppid).push(stat);
  }
  return children;
}

/** The parent, its parent, and so on. */
function ancestors(all, pid) {
  const byPid = new Map(all.map((stat) => [stat.pid, stat]));
  const found = [];
  let stat = byPid.get(byPid.get(pid)?.ppid);
  while (stat && !found.includes(stat)) {
    found.push(stat);
    stat = byPid.get(stat.ppid);
  }
  return found;
}

module.exports = { ancestors, descendants, listProcesses };
