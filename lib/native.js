'use strict';
// Loads the addon, and asks it who serves malloc. A service must not fail to start because of its
// memory probe, so a missing addon is remembered, not thrown.

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
        return { addon: require(file), why: null };
      } catch (error) {
        if (error.code !== 'MODULE_NOT_FOUND') reasons.push(`${file}: ${error.message}`);
      }
    }
  }
  return { addon: null, why: explain(reasons) };
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

const { addon, why } = load();

/**
 * Asked at once and once: a process cannot change its allocator, and what proves glibc live walks its
 * free chunks, of which there are fewest at the start.
 */
const known = addon ? fromAddon(addon.allocator()) : unknown();

/** Who serves `malloc`. */
function allocator() {
  return { ...known, evidence: [...known.evidence], capabilities: { ...known.capabilities } };
}

function fromAddon({ stats, purge, ...rest }) {
  return { ...rest, capabilities: { stats, purge } };
}

function unknown() {
  return {
    name: 'unknown',
    version: null,
    library: null,
    evidence: [why],
    capabilities: { stats: false, purge: false },
  };
}

module.exports = { addon, allocator, why };
