'use strict';
// Makes node_modules what package-lock.json says, so that a fresh clone needs one command only.

const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');

const root = path.join(__dirname, '..');

const modified = (file) => fs.statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0;

const wanted = path.join(root, 'package-lock.json');
const installed = path.join(root, 'node_modules', '.package-lock.json');

if (modified(installed) < modified(wanted)) {
  // Not `npm ci`: that refuses a lock file in which a platform's optional package is missing.
  const options = ['--no-save', '--no-audit', '--no-fund'];
  execFileSync('npm', ['install', ...options], { cwd: root, stdio: 'inherit' });
}
