'use strict';
// A process, by what the kernel shows of it (proc(5)). Nothing that it names is executed.

const fs = require('node:fs/promises');
const path = require('node:path');

const { container } = require('../../container.js');
const { exportsSymbol } = require('./elf.js');
const { resolveIn, withFile } = require('./files.js');
const { codeFiles } = require('./maps.js');
const { allocatorByName, readExecutable, readPreload } = require('./preload.js');

/** What is looked at of an environment; the rest may hold secrets. */
const VARIABLES = ['LD_PRELOAD', 'MALLOC_CONF', 'NODE_OPTIONS', 'LD_LIBRARY_PATH'];

/** Where a list of mappings or an environment is cut: no real one is as long. */
const MAX_TEXT = 4 * 1024 * 1024;

const AT_SECURE = 23n;

/** jemalloc names them so (background_thread.c). */
const BACKGROUND_THREAD = 'jemalloc_bg_thd';

const GONE = ['ENOENT', 'ESRCH'];
const DENIED = ['EACCES', 'EPERM'];

/** Reads one file of a process; notes in `denied` what may not be read, and answers `null` then. */
async function attempt(denied, name, read) {
  try {
    return await read();
  } catch (error) {
    if (DENIED.includes(error.code)) denied.push(name);
    return null;
  }
}

/** `pid`'s parent, session and start, or `null` where there is no such process (any more). */
async function readStat(proc, pid) {
  try {
    const text = await fs.readFile(`${proc}/${pid}/stat`, 'latin1');
    // The name may hold spaces and brackets; the last bracket ends it.
    const end = text.lastIndexOf(')');
    const fields = text.slice(end + 2).split(' ');
    const [state, ppid, , session] = fields;
    if (state === 'Z' || state === 'X') return null;
    const name = text.slice(text.indexOf('(') + 1, end);
    return { pid, name, ppid: +ppid, session: +session, start: fields[19] };
  } catch (error) {
    if (GONE.includes(error.code) || DENIED.includes(error.code)) return null;
    throw error;
  }
}

/** The beginning of a file whose length its process has a say in. */
async function readBounded(file) {
  const handle = await fs.open(file);
  try {
    const parts = [];
    let length = 0;
    while (length < MAX_TEXT) {
      const { bytesRead, buffer } = await handle.read(Buffer.alloc(64 * 1024));
      if (bytesRead === 0) break;
      parts.push(buffer.subarray(0, bytesRead));
      length += bytesRead;
    }
    return Buffer.concat(parts).toString('utf8');
  } finally {
    await handle.close();
  }
}

async function readEnvironment(file) {
  const text = await readBounded(file);
  const environment = {};
  for (const pair of text.split('\0')) {
    const name = pair.slice(0, pair.indexOf('='));
    // The first of two wins, as for getenv(3).
    if (VARIABLES.includes(name)) environment[name] ??= pair.slice(name.length + 1);
  }
  return environment;
}

/** The auxiliary vector (getauxval(3)) is pairs of words of the target's size. */
async function readSecure(file, bits) {
  const vector = await fs.readFile(file);
  const size = bits / 8;
  const word = (at) => (size === 8 ? vector.readBigUInt64LE(at) : BigInt(vector.readUInt32LE(at)));
  for (let at = 0; at + 2 * size <= vector.length; at += 2 * size) {
    if (word(at) === AT_SECURE) return word(at + size) !== 0n;
  }
  return null;
}

async function countBackgroundThreads(folder) {
  const tasks = await fs.readdir(folder);
  const names = tasks.map((task) => fs.readFile(`${folder}/${task}/comm`, 'utf8').catch(() => ''));
  return (await Promise.all(names)).filter((name) => name.trim() === BACKGROUND_THREAD).length;
}

/** Whether prctl(PR_SET_THP_DISABLE) has not been called. */
const mayHaveHugePages = async (file) =>
  !/^THP_enabled:\s*0$/m.test(await fs.readFile(file, 'latin1'));

/** The kernel adds it where the file was removed since, as by an update. */
const nameOf = (program, name) =>
  path.basename((program ?? '').replace(/ \(deleted\)$/, '')) || name;

/** Online CPUs that it may run on; jemalloc counts them. */
const affinityOf = (pid) => container({ pid }).affinity;

function looksLikeNode(program, name) {
  return /^node(js)?([-_.]?\d+)*$/.test(nameOf(program, name));
}

/** Whether the program exports what addons of Node.js need, whatever it is called. */
function bringsNodeApi(proc, pid) {
  try {
    return withFile(`${proc}/${pid}/exe`, (read) => exportsSymbol(read, 'napi_create_function'));
  } catch {
    return false;
  }
}

/** Options of Node.js that take the next word (node.1). */
const TAKES_A_WORD =
  /^(-r|--require|--import|--loader|--experimental-loader|-C|--conditions|--title|--env-file)$/;
const EVALUATES = /^(-e|-p|-pe|--eval|--print)$/;

/** The words before the script are Node.js's own; those behind it are the script's. */
function splitArguments(argv) {
  const own = [];
  const rest = argv.slice(1);
  while (rest.length > 0 && rest[0].startsWith('-') && rest[0] !== '--') {
    const word = rest.shift();
    own.push(word);
    if (EVALUATES.test(word)) return { own, script: null };
    if (TAKES_A_WORD.test(word)) own.push(...rest.splice(0, 1));
  }
  if (rest[0] === '--') rest.shift();
  return { own, script: rest[0] ?? null };
}

/** What to call a process: its program and the script it runs. Arguments may hold secrets. */
function labelOf(program, name, argv) {
  const { script } = splitArguments(argv);
  const parts = [nameOf(program, name)];
  if (script) parts.push(path.basename(script));
  return parts.join(' ').slice(0, 80);
}

/**
 * Who serves malloc by what is mapped: the first library of LD_PRELOAD that is mapped and brings a
 * malloc, otherwise any mapped one, otherwise the libc.
 */
function allocatorOf(mapped, preload) {
  const bringing = mapped.filter(({ malloc }) => malloc !== false);
  const ordered = preload
    .map(({ file }) => bringing.find((library) => sameFile(library.file, file)))
    .filter(Boolean);
  const serving = ordered[0] ?? bringing[0];
  if (!serving) return null;
  const how = ordered.length > 0 ? 'mapped, and first in LD_PRELOAD' : 'mapped';
  return { name: serving.allocator, version: null, library: serving.file, evidence: [how] };
}

/** LD_PRELOAD may name a link to what is mapped. */
function sameFile(mapped, entry) {
  const stem = (file) => path.basename(file).replace(/\.so.*$/, '');
  return mapped === entry || (entry !== null && stem(mapped) === stem(entry));
}

function libcAllocator(files) {
  const musl = files.find((file) => /\/(ld-musl-|libc\.musl-)/.test(file));
  const glibc = files.find((file) => /\/libc(-2\.\d+)?\.so(\.6)?$/.test(file));
  if (!musl && !glibc) return null;
  const evidence = ['mapped, with no other allocator'];
  return { name: musl ? 'musl' : 'glibc', version: null, library: musl ?? glibc, evidence };
}

/** Those of the mapped files that are allocators. */
function describeMapped(root, files) {
  return files.flatMap((file) => {
    const allocator = allocatorByName(file);
    if (!allocator) return [];
    let malloc = null;
    try {
      malloc = withFile(resolveIn(root, file), (read) => exportsSymbol(read, 'malloc'));
    } catch {
      // Replaced or removed since; it counts by its name.
    }
    return [{ file, allocator, malloc }];
  });
}

/** In bytes, the most that the process has had resident so far; no kernel thread has it. */
async function readPeakRss(file) {
  const [, size] = /^VmHWM:\s*(\d+) kB$/m.exec(await fs.readFile(file, 'latin1')) ?? [];
  return size === undefined ? null : size * 1024;
}

/**
 * All that is known of `pid`, or `null` when it is gone. `denied` names what only its user or root may
 * read.
 */
async function readProcess(proc, pid) {
  const stat = await readStat(proc, pid);
  if (!stat) return null;
  const folder = `${proc}/${pid}`;
  const denied = [];
  const of = (name, read) => attempt(denied, `${folder}/${name}`, read);
  const program = await of('exe', () => fs.readlink(`${folder}/exe`));
  const cwd = await of('cwd', () => fs.readlink(`${folder}/cwd`));
  const command = await of('cmdline', () => readBounded(`${folder}/cmdline`));
  const environment = await of('environ', () => readEnvironment(`${folder}/environ`));
  const files = await of('maps', async () => codeFiles(await readBounded(`${folder}/maps`)));
  const threads = await of('task', () => countBackgroundThreads(`${folder}/task`));
  const huge = await of('status', () => mayHaveHugePages(`${folder}/status`));
  const executable = readExecutable(`${folder}/exe`);
  const bits = executable?.bits ?? 64;
  const secure = await of('auxv', () => readSecure(`${folder}/auxv`, bits));
  const peakRss = await of('status', () => readPeakRss(`${folder}/status`));
  const argv = (command ?? '').split('\0').slice(0, -1);
  const root = `${folder}/root`;
  const preload = environment ? readPreload(environment, { root, cwd }) : [];
  const mapped = files && describeMapped(root, files);
  // Gone or another program by now, it would be a mixture.
  if ((await readStat(proc, pid))?.start !== stat.start) return null;
  const now = await attempt([], '', () => fs.readlink(`${folder}/exe`));
  if (now !== program) return null;
  return {
    ...stat,
    program,
    ownArguments: splitArguments(argv).own,
    label: labelOf(program, stat.name, argv),
    node: looksLikeNode(program, stat.name),
    environment,
    executable,
    secure,
    preload,
    mapped,
    allocator: files && (allocatorOf(mapped, preload) ?? libcAllocator(files)),
    proof: 'maps',
    options: null,
    optionsFrom: null,
    heapLimit: null,
    peakRss,
    backgroundThreads: threads,
    affinity: pid === 'self' ? null : affinityOf(pid),
    thpEnabled: huge ?? true,
    denied,
  };
}

module.exports = { bringsNodeApi, describeMapped, labelOf, readProcess, readStat, splitArguments };
