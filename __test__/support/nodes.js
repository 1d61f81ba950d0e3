'use strict';
// Node.js in the versions that heapgap supports, installed from npm on first use.

const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');

const folder = path.join(__dirname, '..', 'nodes');
const { optionalDependencies } = require('../nodes/package.json');

const MAJORS = [
  ...new Set(Object.keys(optionalDependencies).map((name) => Number(name.split('-')[1]))),
];

const binary = (major) =>
  path.join(folder, 'node_modules', `node-${major}-${process.arch}`, 'bin', 'node');

/** Installs what is missing. Elsewhere than on Linux there is nothing to install. */
function installNodes() {
  if (process.platform !== 'linux' || MAJORS.every((major) => fs.existsSync(binary(major)))) return;
  const options = ['--no-save', '--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error'];
  execFileSync('npm', ['install', ...options], {
    cwd: folder,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}

module.exports = { MAJORS, binary, installNodes };
