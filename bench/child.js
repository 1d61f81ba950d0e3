'use strict';
// Runs a script of bench/children to its end, and builds the addon that some of them need.

const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');

const { LIBRARIES } = require('../__test__/support/allocators.js');
const { ending, start } = require('./process.js');

const root = path.join(__dirname, '..');
const LIBRARY = LIBRARIES['jemalloc 5.3.1'];

/** The addon with the feature `bench`, beside the one that is measured. */
function buildFloors() {
  const target = path.join(root, 'target', 'bench');
  const cargo = ['build', '--release', '--features', 'bench', '--target-dir', target];
  execFileSync('cargo', cargo, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
  const floors = path.join(target, 'heapgap-bench.node');
  fs.copyFileSync(path.join(target, 'release', 'libheapgap.so'), floors);
  return floors;
}

/** The words before `node` that put it on the shipped jemalloc, told nothing but `conf`. */
const onJemalloc = (conf = '') => ['env', `LD_PRELOAD=${LIBRARY}`, `MALLOC_CONF=${conf}`];

/** What the script prints as JSON. `words` come before `node`, `flags` after it. */
async function runChild(script, args = [], { words = [], flags = [] } = {}) {
  const file = path.join(__dirname, 'children', script);
  const command = [...words, process.execPath, '--expose-gc', ...flags, file, ...args.map(String)];
  const { child, exited } = start(command);
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text) => {
    said += text;
  });
  const how = await exited;
  if (how.code !== 0) throw new Error(`${script} ${ending(how)}`);
  return JSON.parse(said);
}

/** One after another: they would slow each other down. */
async function inTurn(items, work) {
  const results = [];
  for (const item of items) results.push(await work(item));
  return results;
}

/** `work` is told which round it is, from 1. */
const repeat = (rounds, work) =>
  inTurn(
    Array.from({ length: rounds }, (_, i) => i + 1),
    work,
  );

module.exports = { LIBRARY, buildFloors, inTurn, onJemalloc, repeat, runChild };
