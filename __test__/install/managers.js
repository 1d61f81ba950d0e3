'use strict';
// The package managers: how each adds packages to a project.

const fs = require('node:fs');
const path = require('node:path');

const { run } = require('./processes.js');

const INSTALL_SECONDS = 300;
/**
 * Its override is for verdaccio-audit, not used here, which asks for `node-fetch@cjs`: a tag that not
 * every mirror of the npm registry has.
 */
const FOLDER = path.join(__dirname, 'tools');
const tool = (name, file) => path.join(FOLDER, 'node_modules', name, file);

const npm = (name) => ({
  name,
  cli: 'bin/npm-cli.js',
  init: ['init', '-y'],
  add: ['install'],
  addDev: ['install', '--save-dev'],
  settings: () => ({
    npm_config_audit: 'false',
    npm_config_fund: 'false',
    npm_config_update_notifier: 'false',
  }),
});

const pnpm = {
  name: 'pnpm',
  cli: 'bin/pnpm.mjs',
  add: ['add'],
  addDev: ['add', '--save-dev'],
  settings: () => ({}),
};

const yarn1 = {
  name: 'yarn-1',
  cli: 'bin/yarn.js',
  add: ['add'],
  addDev: ['add', '--dev'],
  settings: () => ({}),
  // It knows a package's `os` and `cpu`, not its `libc`.
  ignoresLibc: true,
};

const yarn4 = (nodeLinker) => ({
  name: 'yarn-4',
  cli: 'bin/yarn.js',
  add: ['add'],
  addDev: ['add', '--dev'],
  settings: (registry) => ({
    YARN_NPM_REGISTRY_SERVER: registry,
    YARN_UNSAFE_HTTP_WHITELIST: new URL(registry).hostname,
    // Yarn holds back what was published less than a day ago.
    YARN_NPM_MINIMAL_AGE_GATE: '0',
    YARN_NODE_LINKER: nodeLinker,
    // Else only a project that has ES modules among its dependencies may have some itself.
    YARN_PNP_ENABLE_ESM_LOADER: 'true',
    YARN_ENABLE_TELEMETRY: '0',
  }),
  plugAndPlay: nodeLinker === 'pnp',
});

const MANAGERS = {
  // The last npm that runs on Node.js 20.
  'npm-11': npm('npm-11'),
  npm: npm('npm'),
  pnpm,
  'yarn-1': yarn1,
  'yarn-4': yarn4('node-modules'),
  'yarn-4-pnp': yarn4('pnp'),
};

/** Installs the registry and the package managers, as their package-lock.json says. */
function installTools() {
  const options = ['--no-save', '--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error'];
  return run(['npm', 'install', ...options], { cwd: FOLDER, seconds: INSTALL_SECONDS });
}

/** The words that start a package manager on the Node.js that comes first in PATH. */
const command = (manager) => ['node', tool(manager.name, manager.cli)];

function title(manager) {
  const { version } = JSON.parse(fs.readFileSync(tool(manager.name, 'package.json'), 'utf8'));
  const name = `${manager.name.replace(/-\d+$/, '')} ${version}`;
  return manager.plugAndPlay ? `${name}, PnP` : name;
}

module.exports = { MANAGERS, command, installTools, title };
