'use strict';

// npm run test:install: publishes the packages to a registry of its own, installs heapgap and Express
// from it into empty projects, with every package manager and on every Node.js that heapgap
// supports, with glibc and with musl, and checks each project as its user would.

const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const nodes = require('../support/nodes.js');
const nodesOnMusl = require('../support/nodes-on-musl.js');
const checks = require('./checks.js');
const { MANAGERS, installTools, title } = require('./managers.js');
const { makePackages } = require('./packages.js');
const { endAll } = require('./processes.js');
const { Project } = require('./project.js');
const { Registry } = require('./registry.js');

const DEADLINE_MINUTES = 25;
const AT_A_TIME = 2;
/** Of those under __test__/nodes, one that verdaccio and the newest npm run on. */
const NODE = nodes.binary(24);

const { devDependencies } = require('../../package.json');
const TYPES = `@types/node@${devDependencies['@types/node']}`;
const TYPESCRIPT = `typescript@${devDependencies.typescript}`;
/** TypeScript 7 cannot see into Plug'n'Play's archives; Yarn teaches 6 how to. */
const TYPESCRIPT_PNP = 'typescript@^6.0.3';

const npmFor = (major) => MANAGERS[major === 20 ? 'npm-11' : 'npm'];

const PLAN = [
  ...nodes.MAJORS.map((major) => ({ manager: npmFor(major), major })),
  { manager: MANAGERS.pnpm, major: 22 },
  { manager: MANAGERS['yarn-1'], major: 20 },
  { manager: MANAGERS['yarn-4'], major: 24 },
  { manager: MANAGERS['yarn-4-pnp'], major: 26 },
  ...nodesOnMusl.MAJORS.map((major) => ({ manager: npmFor(major), major, libc: 'musl' })),
];

/** Of a line of the plan; npm goes by /usr/bin/ldd, which is glibc's here. */
function nodeOf({ major, libc = 'glibc' }) {
  if (libc === 'glibc') return { libc, file: nodes.binary(major), environment: {} };
  const environment = { ...nodesOnMusl.environment(major), npm_config_libc: libc };
  return { libc, file: nodesOnMusl.binary(major), environment };
}

/** What was just ended may still be writing. */
const REMOVE = { recursive: true, force: true, maxRetries: 10 };
const temporary = fs.mkdtempSync(path.join(os.tmpdir(), 'heapgap-install-'));
const seconds = (since) => Math.round((performance.now() - since) / 1000);

function say(text) {
  console.log(`[${String(seconds(0)).padStart(4)} s] ${text}`);
}

function subfolder(name) {
  const folder = path.join(temporary, name);
  fs.mkdirSync(folder);
  return folder;
}

async function startRegistry(tarballs) {
  say('starting the registry');
  const registry = new Registry(subfolder('registry'), NODE);
  await registry.start();
  for (const tarball of tarballs) {
    say(`publishing ${path.basename(tarball)}`);
    await registry.publish(tarball);
  }
  return registry;
}

async function checkProject(name, folder, entry, registry) {
  const { manager } = entry;
  const project = new Project(folder, manager, nodeOf(entry), registry.url);
  say(`${name}: install heapgap express`);
  await project.install('heapgap', 'express');
  if (manager.name.startsWith('npm')) checks.assertNoInstallScript(project);
  project.addTemplate();
  await checks.assertPlatform(project);
  await checks.assertModules(project);
  say(`${name}: TypeScript`);
  const typescript = manager.plugAndPlay ? TYPESCRIPT_PNP : TYPESCRIPT;
  await project.manage([...manager.addDev, typescript, TYPES]);
  await checks.assertTypes(project);
  const cells = [];
  for (const [how, { allocator = project.libc, words }] of Object.entries(checks.SERVICES)) {
    say(`${name}: the service, ${how}`);
    const released = await checks.assertService(project, words(project), allocator);
    const purged = released === null ? 'no purge' : `${Math.round(released / 1024 / 1024)} MB`;
    cells.push(`${allocator}, ${purged}`);
  }
  say(`${name}: heapgap leaks`);
  await checks.assertLeakFound(project);
  return cells;
}

/** Checks one line of the plan; answers its row of the table. */
async function row(entry, registry) {
  const start = performance.now();
  const names = [title(entry.manager), `Node ${entry.major}${entry.libc ? `, ${entry.libc}` : ''}`];
  const name = names.join(', ');
  const folder = subfolder(name.replace(/[^\w.]+/g, '-'));
  try {
    const cells = await checkProject(name, folder, entry, registry);
    return { cells: [...names, ...cells, `${seconds(start)} s`] };
  } catch (error) {
    say(`${name}: failed`);
    return { cells: [...names, 'failed'], failure: `${name}: ${error.stack}` };
  } finally {
    await fs.promises.rm(folder, REMOVE);
  }
}

/** Works through the plan, some at a time. */
async function checkPlan(registry) {
  const rows = [];
  const waiting = [...PLAN.entries()];
  const work = async () => {
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      const [at, entry] = next;
      rows[at] = await row(entry, registry);
    }
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, work));
  return rows;
}

function table(rows) {
  const head = [
    'manager',
    'on',
    ...Object.keys(checks.SERVICES).map((how) => `${how}: purged`),
    'took',
  ];
  const lines = [head, ...rows.map(({ cells }) => cells)];
  const widths = head.map((_, i) => Math.max(...lines.map((cells) => (cells[i] ?? '').length)));
  return lines
    .map((cells) =>
      cells
        .map((cell, i) => cell.padEnd(widths[i]))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

async function main() {
  if (process.platform !== 'linux') throw new Error('there are packages for Linux only');
  say('installing Node.js, the registry and the package managers');
  nodes.installNodes();
  nodesOnMusl.installNodes();
  await installTools();
  say('npm run package');
  const tarballs = await makePackages(subfolder('stand-ins'));
  const registry = await startRegistry(tarballs);
  const rows = await Promise.race([checkPlan(registry), registry.failed]);
  console.log(`\n${table(rows)}\n`);
  const failures = rows.flatMap(({ failure }) => failure ?? []);
  if (failures.length > 0) throw new Error(failures.join('\n\n'));
  say(`${rows.length} projects passed`);
}

function cleanUp() {
  endAll();
  fs.rmSync(temporary, REMOVE);
}

function fail(message, code = 1) {
  console.error(`test:install: ${message}`);
  process.exit(code);
}

process.once('exit', cleanUp);
process.once('SIGINT', () => fail('interrupted', 130));
process.once('SIGTERM', () => fail('terminated', 143));
const late = () => fail(`not done after ${DEADLINE_MINUTES} minutes`);
setTimeout(late, DEADLINE_MINUTES * 60_000).unref();
main().then(
  () => process.exit(0),
  (error) => fail(error.message),
);
