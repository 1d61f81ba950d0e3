'use strict';
// Lints the packed packages: publint reads what they say of themselves, and attw what TypeScript makes
// of heapgap's types.

const fs = require('node:fs');
const path = require('node:path');

const { root, run } = require('../cargo.js');

const dist = path.join(root, 'dist');
const bin = (name) => path.join(root, 'node_modules', '.bin', name);

const tarballs = fs.readdirSync(dist).filter((name) => name.endsWith('.tgz'));
if (tarballs.length === 0) throw new Error('there is nothing in dist: npm run package makes it');
for (const name of tarballs) run(bin('publint'), ['run', path.join(dist, name), '--strict']);

// Without Node.js 10's resolution, which knows no `exports`.
const main = `heapgap-${require('../../package.json').version}.tgz`;
run(bin('attw'), ['--profile', 'node16', path.join(dist, main)]);
