'use strict';
// zig as the C compiler and linker of the released binaries: it links for an older glibc than the
// machine's, for musl and for arm64 alike. PyPI has it; here it stays within target/.

const fs = require('node:fs');
const path = require('node:path');

const { root, run } = require('../cargo.js');
const { linkTarget } = require('./platforms.js');

const folder = path.join(root, 'target', 'toolchain');
const requirements = path.join(__dirname, 'requirements.txt');
const zigFolder = path.join(folder, 'ziglang');
const zig = path.join(zigFolder, 'zig');
const cargoZigbuild = path.join(folder, 'bin', 'cargo-zigbuild');

/** Installs the pinned versions, unless they are there. */
function installToolchain() {
  const stamp = path.join(folder, 'requirements.txt');
  const wanted = fs.readFileSync(requirements, 'utf8');
  if (fs.existsSync(stamp) && fs.readFileSync(stamp, 'utf8') === wanted) return;
  fs.rmSync(folder, { recursive: true, force: true });
  // Not into a virtual environment: Debian's Python makes one only with another package.
  const where = ['--target', folder, '--requirement', requirements];
  run('python3', ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ...where]);
  fs.writeFileSync(stamp, wanted);
}

/** Makes a shared library that has libgcc_s's name and what jemalloc needs of it. */
function linkLibgcc(platform, file) {
  const source = path.join(__dirname, 'libgcc_s.c');
  const output = ['-shared', '-nostdlib', '-Wl,-soname,libgcc_s.so.1', '-o', file];
  fs.mkdirSync(path.dirname(file), { recursive: true });
  const target = linkTarget(platform).replace('-unknown', '');
  run(zig, ['cc', '-target', target, '-O2', ...output, source]);
}

module.exports = { cargoZigbuild, installToolchain, linkLibgcc, zig, zigFolder };
