'use strict';
// The platforms that have binaries. What differs between their packages is here, and only here.

/**
 * `name`, `cpu` and `libc` are npm's: the package is @heapgap/<name>, and npm installs it where
 * package.json's `cpu` and `libc` hold. `target` is rustc's. `lgPage` is the page size that jemalloc
 * counts in, 2 to the power of it: no smaller than the kernel's, which on arm64 may be 64 KB.
 */
const PLATFORMS = [
  {
    name: 'linux-x64-gnu',
    cpu: 'x64',
    libc: 'glibc',
    target: 'x86_64-unknown-linux-gnu',
    lgPage: 12,
  },
  {
    name: 'linux-arm64-gnu',
    cpu: 'arm64',
    libc: 'glibc',
    target: 'aarch64-unknown-linux-gnu',
    lgPage: 16,
  },
  {
    name: 'linux-x64-musl',
    cpu: 'x64',
    libc: 'musl',
    target: 'x86_64-unknown-linux-musl',
    lgPage: 12,
  },
  {
    name: 'linux-arm64-musl',
    cpu: 'arm64',
    libc: 'musl',
    target: 'aarch64-unknown-linux-musl',
    lgPage: 16,
  },
];

/** The oldest that Node.js 20 runs on (its BUILDING.md). */
const GLIBC = '2.28';

const LIBRARY = 'libjemalloc.so.2';
const LICENSES = 'THIRD-PARTY-LICENSES';

const packageName = ({ name }) => `@heapgap/${name}`;
const addonFile = ({ name }) => `heapgap.${name}.node`;

/** The target with the glibc to link for, as cargo-zigbuild writes it. */
const linkTarget = ({ target, libc }) => (libc === 'glibc' ? `${target}.${GLIBC}` : target);

/** What a platform's package holds beside its package.json, README and LICENSE. */
const builtFiles = (platform) => [addonFile(platform), LIBRARY, LICENSES];

/** The platform that this process runs on, or undefined. */
function hostPlatform() {
  if (process.platform !== 'linux') return undefined;
  const libc = process.report.getReport().header.glibcVersionRuntime ? 'glibc' : 'musl';
  return PLATFORMS.find((platform) => platform.cpu === process.arch && platform.libc === libc);
}

module.exports = {
  LIBRARY,
  LICENSES,
  PLATFORMS,
  addonFile,
  builtFiles,
  hostPlatform,
  linkTarget,
  packageName,
};
