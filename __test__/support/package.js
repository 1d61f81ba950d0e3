'use strict';
// The package in a folder of its own, to take parts away from it.

const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const root = path.join(__dirname, '..', '..');

/** A copy in a folder of that name, for everybody to read; without `addon`, as where none is installed. */
function copyPackage(t, { name = 'heapgap-', addon = false } = {}) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), name));
  t.after(() => fs.rmSync(folder, { recursive: true }));
  fs.chmodSync(folder, 0o755);
  const built = fs.readdirSync(root).filter((file) => addon && file.endsWith('.node'));
  const parts = ['bin', 'lib', 'index.js', 'package.json', 'preload/libjemalloc.so.2', ...built];
  for (const part of parts) {
    fs.cpSync(path.join(root, part), path.join(folder, part), { recursive: true });
  }
  return folder;
}

module.exports = { copyPackage };
