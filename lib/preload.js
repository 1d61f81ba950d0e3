'use strict';
// Puts this process on the shipped jemalloc: it starts itself anew, with the same pid. Loaded before
// anything else, by `import 'heapgap/preload'` as the first line or by `node -r heapgap/preload`.

const fs = require('node:fs');
const { isMainThread } = require('node:worker_threads');

const { jemallocVariables, withoutLibrary } = require('./environment.js');
const { findLibrary } = require('./library.js');
const { addon, allocator, why: whyNoAddon } = require('./native.js');

/** `0`: leave this process and its children as they are. */
const SWITCH = 'HEAPGAP_PRELOAD';

/**
 * Names the process that has started anew already, so that it does not again: a process, its pid and its
 * start time are the same after exec. What it starts inherits the variable, and is another.
 */
const GUARD = 'HEAPGAP_PRELOAD_DONE';

/**
 * What a start anew would cut off, as process.getActiveResourcesInfo() calls it. Not PipeWrap and TTYWrap:
 * those are also standard output and the parent's channel, which stay.
 */
const AT_WORK = /^(TCPServerWrap|TCPSocketWrap|ConnectWrap|UDPWrap|PipeServerWrap|ProcessWrap)$/;

const EVALUATED = /^(-e|-p|-pe|--eval|--print)($|=)/;

/** `<pid>:<start time>` of this process; without /proc, the pid alone. */
function identity() {
  try {
    const stat = fs.readFileSync('/proc/self/stat', 'latin1');
    // proc(5): the name is in parentheses and may hold anything; the start time is the 22nd field.
    const startTime = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
    return `${process.pid}:${startTime}`;
  } catch {
    return String(process.pid);
  }
}

/**
 * The arguments as given, where a process title is written over the kernel's copy of them
 * (uv_set_process_title); elsewhere that copy is quicker to have, and has every byte.
 */
function spoiltArguments() {
  if (process.title === process.argv0) return undefined;
  return process.report.getReport().header.commandLine;
}

/** The script that Node.js has read from standard input, if it has. */
function scriptRead() {
  return process.execArgv.some((option) => EVALUATED.test(option)) ? undefined : process._eval;
}

/** Messages of the parent that were read and would be read by nobody. */
function messagesRead() {
  const { channel } = process;
  const symbols = channel ? Object.getOwnPropertySymbols(channel) : [];
  const pending = symbols.find((symbol) => symbol.description === 'kPendingMessages');
  return pending !== undefined && channel[pending]?.length > 0;
}

const WAITS_FOR_DEBUGGER = /(^|\s)--inspect-(brk|wait)\b/;

/** Why this process should not start anew now, although it could; `null` where it should. */
function objection() {
  const first = 'load heapgap/preload before anything else, as with node -r';
  const open = new Set(process.getActiveResourcesInfo().filter((name) => AT_WORK.test(name)));
  if (open.size > 0) return `it is at work already (${[...open].join(', ')}): ${first}`;
  if (messagesRead()) return `it has received messages from its parent already: ${first}`;
  const options = [...process.execArgv, process.env.NODE_OPTIONS ?? ''];
  if (options.some((option) => WAITS_FOR_DEBUGGER.test(option)))
    return 'it would lose the debugger that it has waited for: start it with heapgap run';
  return null;
}

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

function startAnew(library) {
  const why = objection();
  if (why) return warn(why);
  const variables = {
    ...jemallocVariables(process.env, library),
    [GUARD]: identity(),
  };
  try {
    addon.reexec(spoiltArguments(), variables, scriptRead());
  } catch (error) {
    giveUp(`it cannot start anew: ${error.message}`);
  }
}

function afterFailure(library) {
  const rest = withoutLibrary(process.env.LD_PRELOAD, library);
  if (rest === undefined) delete process.env.LD_PRELOAD;
  else process.env.LD_PRELOAD = rest;
  giveUp(`the dynamic linker did not load ${library}`);
}

function preload() {
  const setting = process.env[SWITCH] || '1';
  if (!isMainThread || setting === '0') return;
  if (setting !== '1')
    return giveUp(`expected ${SWITCH} to be 0 or 1, got ${JSON.stringify(setting)}`);
  if (allocator().name === 'jemalloc') {
    delete process.env[GUARD];
    return;
  }
  const library = findLibrary();
  const why = obstacle(library);
  if (why) return giveUp(why);
  if (process.env[GUARD] === identity()) return afterFailure(library.library);
  startAnew(library.library);
}

// A service must not fail to start because of its allocator.
try {
  preload();
} catch (error) {
  warn(error.message);
}
