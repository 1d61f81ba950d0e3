'use strict';
// Libraries and programs with a fault, made for a test and removed after it.

const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { LIBRARIES } = require('./allocators.js');

const SHIPPED = LIBRARIES['jemalloc 5.3.1'];

/** elf(5): e_machine is at 18; 62 is x86-64, 183 is AArch64. */
const OTHER_MACHINE = process.arch === 'arm64' ? 62 : 183;

/** A folder of the test's own. */
function makeFolder(t) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'heapgap-faulty-'));
  t.after(() => fs.rmSync(folder, { recursive: true, force: true }));
  return folder;
}

function compile(folder, name, source, flags) {
  const code = path.join(folder, `${name}.c`);
  const output = path.join(folder, name);
  fs.writeFileSync(code, source);
  execFileSync('gcc', ['-o', output, code, ...flags]);
  return output;
}

function otherArchitecture(t) {
  const file = path.join(makeFolder(t), 'libjemalloc.so.2');
  const bytes = fs.readFileSync(SHIPPED);
  bytes.writeUInt16LE(OTHER_MACHINE, 18);
  fs.writeFileSync(file, bytes);
  return file;
}

function textFile(t) {
  const file = path.join(makeFolder(t), 'libjemalloc.so.2');
  fs.writeFileSync(file, 'version https://git-lfs.github.com/spec/v1\n'.repeat(100));
  return file;
}

/** A copy in a folder with a space in its name. */
function spacedPath(t) {
  const folder = path.join(makeFolder(t), 'my app');
  fs.mkdirSync(folder);
  const file = path.join(folder, 'libjemalloc.so.2');
  fs.copyFileSync(SHIPPED, file);
  return file;
}

/** A library that calls itself jemalloc and brings no malloc, as one built with a prefix does. */
function withoutMalloc(t) {
  const flags = ['-shared', '-fPIC', '-nostdlib'];
  return compile(makeFolder(t), 'libjemalloc.so.2', 'void je_malloc(void) {}', flags);
}

/**
 * A library linked against musl. With `loadable`, a stand-in for musl is found beside it, so that a
 * process starts all the same.
 */
function linkedToMusl(t, { loadable }) {
  const folder = makeFolder(t);
  const musl = 'libc.musl-x86_64.so.1';
  const stub = ['-shared', '-fPIC', '-nostdlib', `-Wl,-soname,${musl}`];
  compile(folder, musl, 'void stub(void) {}', stub);
  const rpath = loadable ? [`-Wl,-rpath,${folder}`] : [];
  const flags = ['-shared', '-fPIC', '-nostdlib', `-L${folder}`, `-l:${musl}`, ...rpath];
  const source = 'void stub(void); void je_malloc(void) { stub(); }';
  return compile(folder, 'libjemalloc.so.2', source, flags);
}

/**
 * A program that waits for ever and whose interpreter is called as musl's; what is behind the name is
 * this machine's own linker, so that it runs.
 */
function muslProgram(t) {
  const folder = makeFolder(t);
  const readelf = execFileSync('readelf', ['-l', process.execPath], { encoding: 'utf8' });
  const linker = /program interpreter: (.*)\]/.exec(readelf)[1];
  const interpreter = path.join(folder, 'ld-musl-x86_64.so.1');
  fs.copyFileSync(linker, interpreter);
  fs.chmodSync(interpreter, 0o755);
  const pause = process.arch === 'arm64' ? 'mov x8, #73; svc #0' : 'mov $34, %eax; syscall';
  const source = `void _start(void) { for (;;) __asm__ volatile("${pause}"); }`;
  const flags = ['-nostdlib', '-pie', '-fPIE', `-Wl,--dynamic-linker=${interpreter}`];
  return compile(folder, 'node', source, flags);
}

/** Skips a test that needs what this machine lacks; fails it under CI. */
function lacks(t, what) {
  if (process.env.CI) throw new Error(`this machine lacks ${what}`);
  t.skip(`this machine lacks ${what}`);
}

/** A copy of Node.js that any user may execute. */
function copiedNode(t) {
  const folder = makeFolder(t);
  fs.chmodSync(folder, 0o755);
  const file = path.join(folder, 'node');
  fs.copyFileSync(fs.realpathSync(process.execPath), file);
  fs.chmodSync(file, 0o755);
  return file;
}

/** Node.js with a file capability, which makes the linker ignore LD_PRELOAD; or `null`. */
function capableNode(t) {
  if (process.getuid() !== 0) return lacks(t, 'root, for setcap and setpriv') ?? null;
  const file = copiedNode(t);
  try {
    execFileSync('setcap', ['cap_net_bind_service=+ep', file], { stdio: 'ignore' });
  } catch {
    return lacks(t, 'setcap, or file capabilities in its temporary folder') ?? null;
  }
  return file;
}

/** Node.js that runs as root whoever starts it, which makes the linker ignore LD_PRELOAD; or `null`. */
function setUserIdNode(t) {
  if (process.getuid() !== 0) return lacks(t, 'root, for setpriv') ?? null;
  const file = copiedNode(t);
  fs.chmodSync(file, 0o4755);
  return file;
}

module.exports = {
  SHIPPED,
  capableNode,
  copiedNode,
  lacks,
  linkedToMusl,
  makeFolder,
  muslProgram,
  otherArchitecture,
  setUserIdNode,
  spacedPath,
  textFile,
  withoutMalloc,
};
