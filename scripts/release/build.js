'use strict';
// Builds the binaries of a platform's package into dist/binaries/<platform>/, for the oldest libc that
// Node.js runs on. Without an argument it is this machine's platform; another one needs its Rust
// target (rustup target add).

const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const { build, builtAddon, builtLibrary, root } = require('../cargo.js');
const { thirdPartyLicenses } = require('./licenses.js');
const {
  LIBRARY,
  LICENSES,
  PLATFORMS,
  addonFile,
  hostPlatform,
  linkTarget,
} = require('./platforms.js');
const { cargoZigbuild, installToolchain, linkLibgcc, zig } = require('./toolchain.js');

/** Apart from cargo's own: these are stripped, which a test of the developer's addon must not find. */
const targetFolder = path.join(root, 'target', 'zig');

function wantedPlatform(name) {
  const platform = name ? PLATFORMS.find((one) => one.name === name) : hostPlatform();
  if (platform) return platform;
  const names = PLATFORMS.map((one) => one.name).join(', ');
  const got = name ?? `${process.platform}-${process.arch}`;
  throw new Error(`expected the platform to be one of ${names}, got ${got}`);
}

function environment(platform) {
  const rustflags = `CARGO_TARGET_${platform.target.toUpperCase().replaceAll('-', '_')}_RUSTFLAGS`;
  return {
    ...process.env,
    CARGO_ZIGBUILD_ZIG_PATH: zig,
    CARGO_PROFILE_RELEASE_STRIP: 'symbols',
    // A shared library needs the system's musl; Rust's default is to link musl in.
    ...(platform.libc === 'musl' && { [rustflags]: '-C target-feature=-crt-static' }),
  };
}

/**
 * jemalloc's configure script takes what it is not told from the machine it runs on. Linux gives no
 * address above 48 bits unasked (x86's 5-level-paging.rst, arm64's memory.rst), and 2 MB is the huge
 * page of kernels with 4 KB pages.
 */
function jemallocEnvironment(platform) {
  const libgcc = path.join(targetFolder, platform.name, 'libgcc_s.so.1');
  linkLibgcc(platform, libgcc);
  return {
    // zig's clang keeps frame pointers unless told, which costs malloc and free a tenth.
    CFLAGS: '-fomit-frame-pointer',
    LDFLAGS: libgcc,
    JEMALLOC_SYS_WITH_LG_PAGE: String(platform.lgPage),
    JEMALLOC_SYS_WITH_LG_HUGEPAGE: '21',
    JEMALLOC_SYS_WITH_LG_VADDR: '48',
  };
}

function buildPlatform(platform) {
  const target = ['--target', linkTarget(platform), '--target-dir', targetFolder, '--locked'];
  const env = environment(platform);
  const addon = builtAddon(build(cargoZigbuild, ['zigbuild', ...target], { env }));
  const library = builtLibrary(
    // From elsewhere, as in build.js.
    build(cargoZigbuild, ['zigbuild', '--package', 'heapgap-preload', ...target], {
      cwd: os.tmpdir(),
      env: { ...env, ...jemallocEnvironment(platform) },
    }),
  );
  const folder = path.join(root, 'dist', 'binaries', platform.name);
  fs.rmSync(folder, { recursive: true, force: true });
  fs.mkdirSync(folder, { recursive: true });
  fs.copyFileSync(addon, path.join(folder, addonFile(platform)));
  fs.copyFileSync(library, path.join(folder, LIBRARY));
  fs.writeFileSync(path.join(folder, LICENSES), thirdPartyLicenses(platform.target));
}

const platform = wantedPlatform(process.argv[2]);
installToolchain();
buildPlatform(platform);
