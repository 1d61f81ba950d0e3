'use strict';
// Builds the addon, its generated binding, and the preloadable libjemalloc.so.2.

const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const root = path.join(__dirname, '..');

function run(command, args, options) {
  const child = spawnSync(command, args, { cwd: root, stdio: 'inherit', ...options });
  if (child.error) throw new Error(`could not start ${command}: ${child.error.message}`);
  if (child.status !== 0) process.exit(child.status ?? 1);
  return child;
}

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
  const args = ['build', '--release', '--package', 'heapgap-preload'];
  const output = ['--message-format', 'json-render-diagnostics'];
  const manifest = ['--manifest-path', path.join(root, 'Cargo.toml')];
  // From elsewhere, so that .cargo/config.toml, which keeps jemalloc out of the addon, is not read.
  const cargo = run('cargo', [...args, ...manifest, ...output], {
    cwd: os.tmpdir(),
    stdio: ['ignore', 'pipe', 'inherit'],
    maxBuffer: Infinity,
  });
  const built = path.join(outDir(cargo.stdout.toString()), 'libjemalloc.so.2');
  const target = path.join(root, 'preload', 'libjemalloc.so.2');
  // Replaced by renaming: a process that runs on the old file keeps it.
  fs.copyFileSync(built, `${target}.new`);
  fs.renameSync(`${target}.new`, target);
}

function outDir(messages) {
  for (const line of messages.split('\n')) {
    const message = line.startsWith('{') ? JSON.parse(line) : {};
    if (message.reason === 'build-script-executed' && message.package_id.includes('/preload#')) {
      return message.out_dir;
    }
  }
  throw new Error('cargo did not say where it built libjemalloc.so.2');
}

buildAddon(process.argv.slice(2));
if (process.platform === 'linux') buildLibrary();
