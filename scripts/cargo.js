'use strict';
// Runs cargo and other commands, and finds what cargo built.

const { spawnSync } = require('node:child_process');
const path = require('node:path');

const root = path.join(__dirname, '..');

/** Runs a command in the clone; where it fails, so does this process, with its status. */
function run(command, args, options) {
  const child = spawnSync(command, args, { cwd: root, stdio: 'inherit', ...options });
  if (child.error) throw new Error(`could not start ${command}: ${child.error.message}`);
  if (child.status !== 0) process.exit(child.status ?? 1);
  return child;
}

/** Builds by `command`, which is cargo or stands in for it; answers cargo's messages. */
function build(command, args, options) {
  const output = ['--message-format', 'json-render-diagnostics'];
  const manifest = ['--manifest-path', path.join(root, 'Cargo.toml')];
  const child = run(command, [...args, '--release', ...manifest, ...output], {
    ...options,
    stdio: ['ignore', 'pipe', 'inherit'],
    maxBuffer: Infinity,
  });
  const lines = child.stdout.toString().split('\n');
  return lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line));
}

/** The libjemalloc.so.2 that the build script of preload/ linked. */
function builtLibrary(messages) {
  const ran = messages.find(
    ({ reason, package_id }) =>
      reason === 'build-script-executed' && package_id.includes('/preload#'),
  );
  if (!ran) throw new Error('cargo did not say where it built libjemalloc.so.2');
  return path.join(ran.out_dir, 'libjemalloc.so.2');
}

/** The addon, as a shared library. */
function builtAddon(messages) {
  const linked = messages.find(
    ({ reason, target }) =>
      reason === 'compiler-artifact' && target.name === 'heapgap' && target.kind.includes('cdylib'),
  );
  if (!linked) throw new Error('cargo did not say where it built the addon');
  return linked.filenames[0];
}

module.exports = { build, builtAddon, builtLibrary, root, run };
