'use strict';
// What a look of about a millisecond finds wrong with this process's own allocator, for
// allocator().evidence. Loading the rules would take several: doctor() has them all.

const fs = require('node:fs');

// Loaded when there is something to say: a file is a third of the time that there is.
const sentences = () => require('./sentences.js');

const MACHINES = { 62: 'x64', 183: 'arm64' };

/** As at start: Node.js has changed some of process.env since, and the service may have. */
function environmentAtStart() {
  try {
    const pairs = fs.readFileSync('/proc/self/environ', 'utf8').split('\0');
    const pick = (name) =>
      pairs.find((pair) => pair.startsWith(`${name}=`))?.slice(name.length + 1) ?? '';
    return { LD_PRELOAD: pick('LD_PRELOAD'), MALLOC_CONF: pick('MALLOC_CONF') };
  } catch {
    const { LD_PRELOAD = '', MALLOC_CONF = '' } = process.env;
    return { LD_PRELOAD, MALLOC_CONF };
  }
}

/** The first 20 bytes: magic, class, and at 16 the type, at 18 the machine (elf(5)). */
function readHeader(file) {
  const header = Buffer.alloc(20);
  if (!fs.statSync(file).isFile()) return header;
  const fd = fs.openSync(file, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
  try {
    fs.readSync(fd, header, 0, header.length, 0);
    return header;
  } finally {
    fs.closeSync(fd);
  }
}

function wrongWith(entry, live) {
  try {
    const header = readHeader(entry);
    if (header.readUInt32BE(0) !== 0x7f454c46) return sentences().notALibrary(entry, live);
    // Big-endian processors have no heapgap.
    const machine = MACHINES[header.readUInt16LE(18)] ?? 'another processor';
    if (machine === process.arch) return null;
    return sentences().wrongArchitecture(entry, machine, process.arch, live);
  } catch (error) {
    return error.code === 'ENOENT' ? sentences().missing(entry, live) : null;
  }
}

const entriesOf = ({ LD_PRELOAD }) => LD_PRELOAD.split(/[\s:]+/).filter(Boolean);

/** By their names, as far as the linker finds them by a path. */
const ALLOCATOR = /(je|mi|tc|rp|sn)malloc[^/]*$|\/lib(asan|hoard)[^/]*$/;

/** By the file's name alone: the linker finds such an entry in its own folders. */
const FILE = /(?:^|\/)lib(jemalloc|mimalloc|tcmalloc|rpmalloc|snmalloc|asan|hoard)[^/]*$/;

/** Two allocators in LD_PRELOAD; one that is linked in, or loaded later, is doctor's to find. */
function twoAllocators(environment, live) {
  const named = entriesOf(environment).filter((entry) => ALLOCATOR.test(entry));
  if (named.length < 2) return [];
  const files = new Set(
    named.filter((entry) => fs.existsSync(entry)).map((entry) => fs.realpathSync(entry)),
  );
  return files.size < 2 ? [] : [sentences().twoAllocators([...files], live)];
}

/** Another allocator is live: why jemalloc is not, if it was to be. */
function withoutJemalloc(environment, live) {
  const { LD_PRELOAD, MALLOC_CONF } = environment;
  const entries = entriesOf(environment).filter((entry) => entry.startsWith('/'));
  const wrong = entries.map((entry) => wrongWith(entry, live)).filter(Boolean);
  if (wrong.length > 0) return wrong;
  const two = twoAllocators(environment, live);
  if (two.length > 0) return two;
  if (/jemalloc/.test(LD_PRELOAD))
    return [sentences().notLive(live, `LD_PRELOAD is ${LD_PRELOAD}`)];
  return MALLOC_CONF === '' ? [] : [sentences().confUnread(live)];
}

const DECAYS = ['dirty_decay_ms', 'muzzy_decay_ms'];

/** jemalloc is live: what it took of MALLOC_CONF. The last of two pairs counts. */
function withJemalloc(environment, addon) {
  const { pairs, malformed, rest } = read(environment);
  const options = addon.options(['background_thread', ...DECAYS, ...pairs.map(({ key }) => key)]);
  const last = new Map(pairs.map((pair) => [pair.key, pair]));
  const found = twoAllocators(environment, 'jemalloc');
  if (malformed) found.push(sentences().confMalformed('MALLOC_CONF', malformed, rest));
  found.push(...[...last.values()].flatMap((pair) => notTaken(pair, options)));
  if (options.background_thread === false) found.push(sentences().backgroundThreadOff);
  const disabled = DECAYS.filter((key) => options[key] === -1);
  if (disabled.length > 0) found.push(sentences().decayDisabled(disabled));
  return found;
}

const read = ({ MALLOC_CONF }) => require('./pairs.js').parseConf(MALLOC_CONF);
const isReadable = (key) => !require('./write-only.js').WRITE_ONLY.includes(key);

/** Some options cannot be read back: those are doctor's. */
function notTaken({ key, value, text }, options) {
  if (!Object.hasOwn(options, key)) {
    const what = `has no option ${key}`;
    return isReadable(key) ? [sentences().confUnknown('MALLOC_CONF', text, what)] : [];
  }
  if (require('./pairs.js').agrees(value, options[key])) return [];
  return [sentences().confIgnored('MALLOC_CONF', text, key, options[key])];
}

function look(addon, live) {
  try {
    const environment = environmentAtStart();
    if (live === 'jemalloc') return withJemalloc(environment, addon);
    return withoutJemalloc(environment, live);
  } catch {
    // Evidence is offered, not owed.
    return [];
  }
}

/** What heapgap can tell live; of another allocator it could not say that it is not. */
const TELLABLE = ['jemalloc', 'mimalloc', 'tcmalloc', 'asan'];

/**
 * The allocator that the environment promises, and what promises it; `null` where nothing does. Of several
 * in LD_PRELOAD one that is not `live` is the promise that was broken, else the first. MALLOC_CONF is
 * written for jemalloc.
 */
function promisedAllocator(live, environment = environmentAtStart()) {
  const entries = entriesOf(environment).filter((entry) => FILE.test(entry));
  if (entries.length > 0) {
    const promises = entries
      .map((entry) => ({ name: FILE.exec(entry)[1], source: `LD_PRELOAD names ${entry}` }))
      .filter(({ name }) => TELLABLE.includes(name));
    return promises.find(({ name }) => name !== live) ?? promises[0] ?? null;
  }
  if (environment.MALLOC_CONF === '') return null;
  return { name: 'jemalloc', source: `MALLOC_CONF is ${environment.MALLOC_CONF}` };
}

let found;

/** One sentence for each finding. Looked for once: neither the environment nor the allocator changes. */
function quickFindings(addon, live) {
  found ??= look(addon, live);
  return found;
}

module.exports = { promisedAllocator, quickFindings };
