'use strict';
// Builds the addon, its generated binding, and the preloadable libjemalloc.so.2.

const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const { build, builtLibrary, root, run } = require('./cargo.js');

function buildAddon(args) {
  const napi = require.resolve('@napi-rs/cli/package.json');
  const cli = path.join(path.dirname(napi), require(napi).bin.napi);
  const outputs = ['--platform', '--release', '--no-js', '--dts', 'binding.d.ts'];
  run(process.execPath, [cli, 'build', ...outputs, ...args]);
  for (const file of fs.readdirSync(root).filter((name) => name.endsWith('.node'))) {
    run('strip', ['--strip-all', path.join(root, file)]);
  }
}

function buildLibrary() {
  // From elsewhere, so that .cargo/config.toml, which keeps jemalloc out of the addon, is not read.
  const messages = build('cargo', ['build', '--package', 'heapgap-preload'], { cwd: os.tmpdir() });
  const target = path.join(root, 'preload', 'libjemalloc.so.2');
  // Replaced by renaming: a process that runs on the old file keeps it.
  fs.copyFileSync(builtLibrary(messages), `${target}.new`);
  fs.renameSync(`${target}.new`, target);
}

buildAddon(process.argv.slice(2));
if (process.platform === 'linux') buildLibrary();
