'use strict';
// How the command line talks, and the exit statuses that its commands share.

const fs = require('node:fs');

const USAGE = `usage: heapgap run [--govern] [--profile] [--] <command> [argument…]
       heapgap path
       heapgap doctor [--json] [--pid <n>] [--timeout <seconds>] [-- <command> [argument…]]
       heapgap watch <url | pid>
       heapgap profile <url> [--seconds <n>] [--format flamegraph | pprof] [--output <file>]
       heapgap leaks [--max-bytes <n>] [--sample-bytes <n>] [--output <file>] [--] <command> [argument…]
       heapgap --help | --version

run   starts the command on the jemalloc that heapgap ships. LD_PRELOAD and MALLOC_CONF are kept:
      pairs of MALLOC_CONF that you set win over heapgap's. The command takes over this process,
      so its pid, signals and exit status are its own.
      --govern starts a governor in each Node.js process of the command, through NODE_OPTIONS, where what
      is there is kept. HEAPGAP_GOVERN=1 does the same, or its options as JSON; 0 turns it off.
      --profile has V8 tell the names of JavaScript functions, for heap profiles, which can be had either way.
      HEAPGAP_PROFILE=1 does the same, 0 turns it off.
path  prints where that jemalloc is, for an LD_PRELOAD of your own.
doctor
      says whether jemalloc is live and set up well, and what to change where it is not: in this
      environment, in a running process, or in a command, which is really started, watched until its
      processes are up (at most 5 s; --timeout), and ended. Exits with 0 where all is well, 1 with
      findings, 2 where it could not look.
watch shows a process live: a screen on a terminal (p purges, q quits), plain lines elsewhere. By the address
      of its route (localhost:3000 is http://localhost:3000/debug/memory; the route's token in HEAPGAP_TOKEN),
      or, from outside and with less to see, by its pid. Exits with 2 where there is nothing to watch.
profile
      writes which stacks allocate the native memory of a service, over 30 s (--seconds; 0: all that its program
      has had sampled), by the address of its route, as for watch; the route needs the option \`profile: true\`.
      To a new file, whose name it prints: a flame graph (.svg), or for pprof (.pb.gz), as --format or the name
      given by --output says; - is standard output. Exits with 2 where there is no profile.
leaks runs the command and says which stacks have allocated the native memory that is still live when its Node.js
      processes end, from a sample every 16 KiB (--sample-bytes, or the power of two nearest to it). Exits with 1 where one
      leaves more than 8 MiB (--max-bytes), else as the command does. --output writes all of it as a flame graph (.svg) or for pprof (.pb.gz).
`;

/** heapgap itself failed, as env(1), nohup(1) and timeout(1) use it. */
const EXIT_OWN_FAILURE = 125;

/**
 * Past process.stderr, which makes a pipe non-blocking (uv_pipe_open): a command that we start shares
 * it, and would lose what does not fit.
 */
function say(message) {
  try {
    fs.writeSync(2, `heapgap: ${message}\n`);
  } catch {
    // Closed or full: the command matters more.
  }
}

function fail(message, status = EXIT_OWN_FAILURE) {
  say(message);
  process.exitCode = status;
}

/** Not all of the usage: what is wrong would scroll away. */
function usageError(message, status) {
  fail(`${message}\nSee heapgap --help.`, status);
}

module.exports = { USAGE, fail, say, usageError };
