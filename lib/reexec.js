'use strict';
// Starts this process anew on the shipped jemalloc, for heapgap/preload: whether, and why not.

const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const { jemallocVariables, withoutLibrary } = require('./environment.js');
const { findLibrary } = require('./library.js');
const { addon, allocator, why: whyNoAddon } = require('./native.js');

const SWITCH = 'HEAPGAP_PRELOAD';

/**
 * Names the process that has started anew already, so that it does not again: a process, its pid and its
 * start time are the same after exec. What it starts inherits the variable, and is another.
 */
const GUARD = 'HEAPGAP_PRELOAD_DONE';

const FIRST = 'load heapgap/preload before anything else, as with node -r';

const read = (file) => {
  try {
    return fs.readFileSync(file, 'latin1');
  } catch {
    return '';
  }
};

/** `<pid>:<start time>` of this process; without /proc, the pid alone. */
function identity() {
  const stat = read('/proc/self/stat');
  // proc(5): the name is in parentheses and may hold anything; the start time is the 22nd field.
  const startTime = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  return [process.pid, startTime].filter(Boolean).join(':');
}

/** Also where what ran before us has changed process.env: it does not reach the kernel's copy. */
function hasStartedAnew() {
  const given = read('/proc/self/environ').split('\0');
  return process.env[GUARD] === identity() || given.includes(`${GUARD}=${identity()}`);
}

/**
 * The arguments as given, where a process title is written over the kernel's copy of them
 * (uv_set_process_title) or that cannot be read. Elsewhere it is quicker to have, and has every byte.
 */
function spoiltArguments() {
  const copy = read('/proc/self/cmdline');
  const [first, ...others] = copy.split('\0').slice(0, -1);
  const blank = others.length > 0 && others.every((word) => word === '');
  const intact = first !== undefined && !blank && process.title === process.argv0;
  return intact ? undefined : process.report.getReport().header.commandLine;
}

const PRINTS = /^(-p|-pe|--print)$/;
const EVALUATES = /^(-e|--eval|--eval=.*|--print=.*)$/s;

/** Whether the code is among the options: `-p` takes it from standard input where none follows. */
function isEvaluated(options) {
  const printed = (option, at) => PRINTS.test(option) && /^[^-]/.test(options[at + 1] ?? '');
  return options.some((option, at) => EVALUATES.test(option) || printed(option, at));
}

/** The script that Node.js has read from standard input, if it has. */
function scriptRead() {
  return isEvaluated(process.execArgv) ? undefined : process._eval;
}

/** What a start anew would cut off, as process.getActiveResourcesInfo() calls it. */
const CONNECTIONS = /^(TCPServerWrap|TCPSocketWrap|UDPWrap|PipeServerWrap|ProcessWrap)$/;

function isAtWork() {
  const open = new Set(process.getActiveResourcesInfo().filter((name) => CONNECTIONS.test(name)));
  return open.size > 0 && `it is at work already (${[...open].join(', ')}): ${FIRST}`;
}

/** What the parent has sent and this process has read is not there to be read again. */
function hasHeardItsParent() {
  if (!process.channel) return false;
  const symbols = Object.getOwnPropertySymbols(process);
  const pipe = process[symbols.find((symbol) => symbol.description === 'kChannelHandle')];
  const heard = pipe ? pipe.bytesRead > 0 : process.listenerCount('message') > 0;
  return heard && `it has received messages from its parent already: ${FIRST}`;
}

const WAITS = /(^|\s)--inspect[-_](brk|wait)\b/;

function hasDebugger() {
  const options = [...process.execArgv, process.env.NODE_OPTIONS ?? ''];
  const waited = options.some((option) => WAITS.test(option));
  return waited && 'it would lose the debugger that it has waited for: start it with heapgap run';
}

/** Node.js has made the script's path absolute at start; a relative one would lead elsewhere now. */
function hasMoved() {
  const given = read('/proc/self/cmdline').split('\0').slice(0, -1);
  const at = given.length - process.argv.length + 1;
  const [script, seen] = [given[at], process.argv[1]];
  const relative =
    at > 0 && script && script !== seen && path.basename(script) === path.basename(seen);
  return relative && path.resolve(script) !== seen && `the working directory has changed: ${FIRST}`;
}

/** Why this process should not start anew now, although it could; something false where it should. */
const objection = () => isAtWork() || hasHeardItsParent() || hasDebugger() || hasMoved();

function warn(why) {
  const { name } = allocator();
  const message =
    `this process stays on ${name === 'unknown' ? 'its own allocator' : name}, without jemalloc: ` +
    `${why} (heapgap/preload; ${SWITCH}=0 turns it off)`;
  process.emitWarning(message, { type: 'HeapgapWarning', code: 'HEAPGAP_PRELOAD' });
}

/** Gives up for this process and for what it starts, which would fail in the same way. */
function giveUp(why) {
  process.env[SWITCH] = '0';
  warn(why);
}

/** Why jemalloc cannot be had here at all; `null` where it can. */
function obstacle(library) {
  if (!addon) return whyNoAddon;
  if (!library.library) return library.why;
  if (allocator().name === 'asan') return 'AddressSanitizer must come first in a process';
  return null;
}

/** A program that is no plain `node`, and would take `--version` for an argument of its own. */
function isOtherProgram() {
  const { electron, bun } = process.versions;
  return Boolean(electron || bun) || require('node:sea').isSea?.() === true;
}

const TRIAL_LIMIT_MS = 5_000;

/** How `node --version` ends with these variables; `null` where it cannot be run. */
function trial(variables) {
  try {
    return addon.trial(variables, TRIAL_LIMIT_MS);
  } catch {
    return null;
  }
}

function signalName(number) {
  const names = Object.entries(os.constants.signals);
  return names.find(([, value]) => value === number)?.[0] ?? `signal ${number}`;
}

/**
 * Why this executable does not start with these variables; `null` where it does, or where nothing can be
 * tried. It takes a few milliseconds: what fails after execve has nobody left to say so.
 */
function failureToStart(variables, library) {
  const ended = isOtherProgram() ? null : trial(variables);
  if (ended === null) return null;
  const lines = ended.stderr.split('\n');
  const how = ended.signal === null ? `status ${ended.status}` : signalName(ended.signal);
  if (ended.status !== 0) return `node does not start with it (${how}): ${lines[0]}`;
  // ld.so(8) goes on without a library that it cannot load.
  return lines.find((line) => line.includes(library)) ?? null;
}

function namingVariables() {
  const { NAMING_FLAG, withFlag } = require('./node-options.js');
  return { NODE_OPTIONS: withFlag(process.env.NODE_OPTIONS, NAMING_FLAG) };
}

function startAnew(library) {
  const why = objection();
  if (why) return warn(why);
  const variables = {
    ...jemallocVariables(process.env, library),
    ...(process.env.HEAPGAP_PROFILE === '1' && namingVariables()),
    [GUARD]: identity(),
  };
  const failure = failureToStart(variables, library);
  if (failure) return giveUp(failure);
  try {
    addon.reexec(spoiltArguments(), variables, scriptRead(), process.channel !== undefined);
  } catch (error) {
    giveUp(`it cannot start anew: ${error.message}`);
  }
}

function afterFailure(library) {
  const rest = withoutLibrary(process.env.LD_PRELOAD, library);
  if (rest === undefined) delete process.env.LD_PRELOAD;
  else process.env.LD_PRELOAD = rest;
  giveUp(`it has started anew with ${library}, which does not serve malloc all the same`);
}

/** Starts this process anew, or gives up with one warning. */
function reexec() {
  const library = findLibrary();
  const why = obstacle(library);
  if (why) return giveUp(why);
  if (hasStartedAnew()) return afterFailure(library.library);
  startAnew(library.library);
}

module.exports = { giveUp, reexec, warn };
