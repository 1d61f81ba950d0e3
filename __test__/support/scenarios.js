'use strict';
// Starts the programs of __test__/scenarios/ under an allocator, for their test and for
// `npm run scenarios`.

const fs = require('node:fs');
const path = require('node:path');
const { container } = require('../../lib/container.js');
const { fittedMallocConf } = require('../../lib/malloc-conf.js');
const { LIBRARIES } = require('./allocators.js');
const { inCgroup } = require('./cgroup.js');
const { finished } = require('./child.js');

const FOLDER = path.join(__dirname, '..', 'scenarios');
const MOSTLY = ['glibc', 'jemalloc 5.3.0', 'jemalloc 5.3.1'];
const DEADLINE_MS = 60_000;

/** Every program under each allocator where it makes sense, as `{ name, variant, allocator, … }`. */
function listScenarios() {
  const names = fs.readdirSync(FOLDER).map((file) => path.basename(file, '.js'));
  return names.sort().flatMap((name) => {
    const { variants = { '': {} }, ...common } = require(path.join(FOLDER, name));
    return Object.entries(variants).flatMap(([variant, own]) => {
      const scenario = { ...common, ...own, name, variant };
      return (scenario.allocators ?? MOSTLY).map((allocator) => ({ ...scenario, allocator }));
    });
  });
}

/** Which libraries a run preloads, the one that serves first. */
const librariesOf = ({ allocator, alsoPreload = [] }) => [allocator, ...alsoPreload];

/** What `heapgap run` would set for the jemalloc that it ships. */
function settingsOf({ allocator, environment }) {
  const fitted =
    allocator === 'jemalloc 5.3.1' ? { MALLOC_CONF: fittedMallocConf(container()) } : {};
  return { ...fitted, ...environment };
}

/** Runs one to its end, inside `group` where it wants a memory limit. Answers what it reported. */
async function runScenario(scenario, group) {
  const libraries = librariesOf(scenario).map((name) => LIBRARIES[name]);
  const settings = { LD_PRELOAD: libraries.join(':'), ...settingsOf(scenario) };
  const words = Object.entries(settings).map(([name, value]) => `${name}=${value}`);
  const file = path.join(FOLDER, `${scenario.name}.js`);
  // By env, so that the shell that enters the group does so on the libc's own allocator.
  const command = ['env', ...words, process.execPath, file, scenario.variant];
  const [program, ...args] = group ? ['/bin/sh', ...inCgroup(group, command)] : command;
  const { code, signal, stdout, stderr } = await finished(program, args, { timeout: DEADLINE_MS });
  if (code !== 0) throw new Error(`it ended with ${signal ?? code}:\n${stderr}`);
  const report = JSON.parse(stdout);
  if (report.allocator !== scenario.allocator) {
    throw new Error(`${report.allocator} served, not ${scenario.allocator}`);
  }
  return report;
}

module.exports = { librariesOf, listScenarios, runScenario };
