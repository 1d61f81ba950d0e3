'use strict';
// Loads the addon, and asks it who serves malloc. A service must not fail to start because of its
// memory probe, so a missing addon is remembered, not thrown.

/** package.json's, which would take another file to read. */
const VERSION = '0.1.0';

const NAMES = ['gnu', 'musl'].map((libc) => `${process.platform}-${process.arch}-${libc}`);

/**
 * napi-rs generates a loader too, but to tell glibc from musl it may write a diagnostic report or
 * run `ldd`, at require. Trying both is quicker: the wrong one does not load.
 */
function load() {
  const reasons = [];
  for (const name of process.platform === 'linux' ? NAMES : []) {
    for (const file of [`../heapgap.${name}.node`, `@heapgap/${name}`]) {
      try {
        return { ...identify(require(file)), platform: name, why: null };
      } catch (error) {
        if (error.code !== 'MODULE_NOT_FOUND') reasons.push(`${file}: ${error.message}`);
      }
    }
  }
  const why = explain(reasons);
  return { addon: null, known: unknown(why), platform: null, why };
}

/**
 * Takes an addon of this very version only: figures cross by their position. Who serves malloc is
 * asked at once: a process cannot change its allocator, and what proves glibc live walks its free
 * chunks, of which there are fewest at the start.
 */
function identify(addon) {
  if (addon.version?.() !== VERSION) throw new Error(`it is not of version ${VERSION}`);
  const { stats, purge, ...rest } = addon.allocator();
  return { addon, known: { ...rest, capabilities: { stats, purge } } };
}

function explain(reasons) {
  const platform = `${process.platform}-${process.arch}`;
  if (reasons.length > 0)
    return `the native addon for ${platform} does not load: ${reasons.join('; ')}`;
  if (process.platform !== 'linux') {
    return `heapgap has no native addon for ${platform}: it answers with what Node.js knows`;
  }
  return (
    `no native addon for ${platform} is installed: add the package @heapgap/${NAMES[0]} ` +
    `(or @heapgap/${NAMES[1]} on Alpine), or reinstall heapgap with optional dependencies`
  );
}

function unknown(why) {
  return {
    name: 'unknown',
    version: null,
    library: null,
    evidence: [why],
    capabilities: { stats: false, purge: false },
  };
}

const { addon, known, platform, why } = load();

/** Who serves `malloc`. */
function allocator() {
  return { ...known, evidence: [...known.evidence], capabilities: { ...known.capabilities } };
}

module.exports = { VERSION, addon, allocator, platform, why };
