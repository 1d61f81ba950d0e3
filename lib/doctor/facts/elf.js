'use strict';
// What an ELF file says of itself (elf(5)): for which machine it is, which libc it was linked against,
// and whether it brings a malloc. The file may be anybody's: every number in it is checked, and no
// more is read than a real library needs.

const MACHINES = { 3: 'ia32', 40: 'arm', 62: 'x64', 183: 'arm64', 243: 'riscv64' };
const TYPES = { 2: 'executable', 3: 'shared' };

const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const PT_INTERP = 3;
const DT_NEEDED = 1;
const DT_STRTAB = 5;
const DT_SONAME = 14;
const SHT_DYNSYM = 11;

const MAX_HEADERS = 256;
const MAX_PATH = 4096;
const MAX_NAME = 256;
const MAX_DYNAMIC = 64 * 1024;
const MAX_STRINGS = 4 * 1024 * 1024;
const MAX_SYMBOLS = 4 * 1024 * 1024;

/** The offsets of the fields, by class. */
const LAYOUT = {
  32: {
    header: 52,
    phoff: 28,
    shoff: 32,
    phentsize: 42,
    shentsize: 46,
    program: { size: 32, offset: 4, address: 8, length: 16 },
    section: { size: 40, type: 4, offset: 16, length: 20, link: 24 },
    symbol: { size: 16, section: 14 },
    dynamic: 8,
  },
  64: {
    header: 64,
    phoff: 32,
    shoff: 40,
    phentsize: 54,
    shentsize: 58,
    program: { size: 56, offset: 8, address: 16, length: 32 },
    section: { size: 64, type: 4, offset: 24, length: 32, link: 40 },
    symbol: { size: 24, section: 6 },
    dynamic: 16,
  },
};

/**
 * Reads an ELF file through `read(offset, length)`, which answers a Buffer, shorter where the file
 * ends. Answers `{ error }` for what is none; never throws for what is in the file.
 */
function parseElf(read) {
  const identity = read(0, 64);
  if (identity.length < 4 || identity.readUInt32BE(0) !== 0x7f454c46) {
    return { error: 'it is not an ELF file' };
  }
  const bits = { 1: 32, 2: 64 }[identity[4]];
  const little = { 1: true, 2: false }[identity[5]];
  if (bits === undefined || little === undefined || identity.length < LAYOUT[bits].header) {
    return { error: 'its ELF header is cut off or damaged' };
  }
  const file = { read, bits, layout: LAYOUT[bits], number: numbers(bits, little), identity };
  const type = TYPES[file.number.half(identity, 16)] ?? 'other';
  const number = file.number.half(identity, 18);
  const machine = MACHINES[number] ?? `machine ${number}`;
  const programs = programHeaders(file);
  const { needed, soname } = dynamicSection(file, programs);
  const interpreter = interpreterOf(file, programs);
  const libc = libcOf(interpreter, needed);
  return { error: null, bits, type, machine, interpreter, needed, soname, libc };
}

function numbers(bits, little) {
  const half = (buffer, at) => (little ? buffer.readUInt16LE(at) : buffer.readUInt16BE(at));
  const word = (buffer, at) => (little ? buffer.readUInt32LE(at) : buffer.readUInt32BE(at));
  // Beyond 2^53 no file has anything, and a rounded offset reads nothing.
  const wide = (buffer, at) =>
    Number(little ? buffer.readBigUInt64LE(at) : buffer.readBigUInt64BE(at));
  return { half, word, address: bits === 64 ? wide : word };
}

/** The entries of a table in the file, each a Buffer; an incomplete one at the end is left out. */
function entries(file, offset, size, count) {
  const table = file.read(offset, size * Math.min(count, MAX_HEADERS));
  const whole = Math.floor(table.length / size);
  return Array.from({ length: whole }, (_, index) => table.subarray(index * size));
}

function programHeaders({ identity, layout, number, ...rest }) {
  const { size, offset, address, length } = layout.program;
  if (number.half(identity, layout.phentsize) !== size) return [];
  const at = number.address(identity, layout.phoff);
  const count = number.half(identity, layout.phentsize + 2);
  return entries({ ...rest }, at, size, count).map((entry) => ({
    type: number.word(entry, 0),
    offset: number.address(entry, offset),
    address: number.address(entry, address),
    length: number.address(entry, length),
  }));
}

function textAt(buffer, at) {
  const end = buffer.indexOf(0, at);
  return buffer.toString('utf8', at, end === -1 ? buffer.length : end);
}

function interpreterOf({ read }, programs) {
  const program = programs.find(({ type }) => type === PT_INTERP);
  return program ? textAt(read(program.offset, Math.min(program.length, MAX_PATH)), 0) : null;
}

function dynamicSection({ read, layout, number, bits }, programs) {
  const none = { needed: [], soname: null };
  const program = programs.find(({ type }) => type === PT_DYNAMIC);
  if (!program) return none;
  const table = read(program.offset, Math.min(program.length, MAX_DYNAMIC));
  const tags = [];
  for (let at = 0; at + layout.dynamic <= table.length; at += layout.dynamic) {
    tags.push([number.address(table, at), number.address(table, at + bits / 8)]);
  }
  const firstOf = (wanted) => tags.find(([tag]) => tag === wanted)?.[1];
  const strings = stringTable(programs, firstOf(DT_STRTAB));
  const name = (at) => (strings === null ? '' : textAt(read(strings + at, MAX_NAME), 0));
  const soname = firstOf(DT_SONAME);
  return {
    needed: tags
      .filter(([tag]) => tag === DT_NEEDED)
      .slice(0, MAX_HEADERS)
      .map(([, at]) => name(at)),
    soname: soname === undefined ? null : name(soname),
  };
}

/**
 * Where in the file the names begin, or `null`: the dynamic section gives an address, and the segment
 * around it says where that is.
 */
function stringTable(programs, address) {
  const segment = programs.find(
    (program) =>
      program.type === PT_LOAD &&
      address >= program.address &&
      address < program.address + program.length,
  );
  return segment ? address - segment.address + segment.offset : null;
}

function libcOf(interpreter, needed) {
  // musl's own libc is linked as libc.musl-<arch>.so.1 on Alpine, as libc.so by musl-gcc.
  if (needed.some((name) => /^libc\.musl-|^libc\.so$/.test(name))) return 'musl';
  if (needed.includes('libc.so.6')) return 'glibc';
  if (/\/ld-musl-/.test(interpreter ?? '')) return 'musl';
  return /\/ld-linux|\/ld64\.so/.test(interpreter ?? '') ? 'glibc' : null;
}

/** Whether the file defines `symbol` for others; `null` where it has no section headers to tell. */
function exportsSymbol(read, symbol) {
  const identity = read(0, 64);
  const bits = identity[4] === 2 ? 64 : 32;
  const layout = LAYOUT[bits];
  if (identity.length < layout.header) return null;
  const number = numbers(bits, identity[5] === 1);
  const { size, type, offset, length, link } = layout.section;
  if (number.half(identity, layout.shentsize) !== size) return null;
  const at = number.address(identity, layout.shoff);
  const sections = entries({ read }, at, size, number.half(identity, layout.shentsize + 2));
  const table = sections.find((section) => number.word(section, type) === SHT_DYNSYM);
  const strings = table && sections[number.word(table, link)];
  if (!strings) return null;
  const part = (section, limit) =>
    read(number.address(section, offset), Math.min(number.address(section, length), limit));
  return definesIn(part(table, MAX_SYMBOLS), part(strings, MAX_STRINGS), layout, number, symbol);
}

function definesIn(table, strings, { symbol: { size, section } }, number, symbol) {
  const names = placesOf(strings, `${symbol}\0`);
  for (let at = 0; at + size <= table.length; at += size) {
    // Section 0 is SHN_UNDEF: the symbol is wanted, not defined.
    if (names.has(number.word(table, at)) && number.half(table, at + section) !== 0) return true;
  }
  return false;
}

/** Where `text` begins; it may be the end of a longer name, which linkers share. */
function placesOf(strings, text) {
  const places = new Set();
  let at = strings.indexOf(text);
  while (at !== -1) {
    places.add(at);
    at = strings.indexOf(text, at + 1);
  }
  return places;
}

module.exports = { exportsSymbol, parseElf };
