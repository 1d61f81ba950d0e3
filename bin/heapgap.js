#!/usr/bin/env node
'use strict';

const { spawn } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const tty = require('node:tty');

const { addon } = require('../lib/native.js');
const { channelVariables, findLibrary, jemallocVariables } = require('../lib/run.js');
const { version } = require('../package.json');

const USAGE = `usage: heapgap run [--] <command> [argument…]
       heapgap --help | --version

run   starts the command on the jemalloc that heapgap ships. LD_PRELOAD and MALLOC_CONF are kept:
      pairs of MALLOC_CONF that you set win over heapgap's. The command takes over this process,
      so its pid, signals and exit status are its own.
`;

// As env(1), nohup(1) and timeout(1) use them.
const EXIT_OWN_FAILURE = 125;
const EXIT_CANNOT_INVOKE = 126;
const EXIT_NOT_FOUND = 127;

const FROM_TERMINAL = ['SIGINT', 'SIGQUIT'];
const FORWARDED = [...FROM_TERMINAL, 'SIGTERM', 'SIGHUP', 'SIGUSR1', 'SIGUSR2'];

/**
 * Past process.stderr, which makes a pipe non-blocking (uv_pipe_open): the command shares it, and
 * would lose what does not fit.
 */
function say(message) {
  try {
    fs.writeSync(2, `heapgap: ${message}\n`);
  } catch {
    // Closed or full: the command matters more.
  }
}

function fail(message, status) {
  say(message);
  process.exitCode = status;
}

function usageError(message) {
  fail(`${message}\n${USAGE}`.trimEnd(), EXIT_OWN_FAILURE);
}

function run(words) {
  const [command, ...args] = words[0] === '--' ? words.slice(1) : words;
  if (command === undefined)
    return usageError('run needs a command, such as: heapgap run -- node server.js');
  if (words[0] !== '--' && command.startsWith('-'))
    return usageError(`run has no option ${command}`);
  const { library, why } = findLibrary();
  // A service must not fail to start because of its allocator.
  if (!library) say(`starting ${command} without jemalloc: ${why}`);
  const variables = {
    ...(library && jemallocVariables(process.env, library)),
    ...(addon && channelVariables()),
  };
  try {
    if (!addon) return runAsChild(command, args, variables);
    addon.exec(command, args, variables);
  } catch (error) {
    cannotStart(command, error);
  }
}

/**
 * Where there is no addon to call execve with: the next best. Not process.execve: Node.js 22
 * and 24 abort when it fails, past any try.
 */
function runAsChild(command, args, variables) {
  const env = { ...process.env, ...variables };
  const child = spawn(command, args, { stdio: 'inherit', env });
  for (const signal of FORWARDED) {
    process.on(signal, () => {
      if (!hasSignalAlready(signal)) child.kill(signal);
    });
  }
  child.on('error', (error) => {
    // Also emitted when a signal cannot be sent, to a command that runs.
    if (child.pid === undefined) cannotStart(command, error);
  });
  child.on('exit', endAs);
}

/**
 * A terminal sends these to all that run in it (termios(3), ISIG), and twice would be read as "at
 * once". On Windows every signal from outside is such, and kill() would end the command at once.
 */
function hasSignalAlready(signal) {
  return process.platform === 'win32' || (FROM_TERMINAL.includes(signal) && tty.isatty(0));
}

/** Ends this process as the command ended, so that who started it sees no difference. */
function endAs(status, signal) {
  // Where the signal does not end this process, such as SIGPIPE, what a shell would say.
  process.exitCode = status ?? 128 + os.constants.signals[signal];
  if (signal === null) return;
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
}

function cannotStart(command, error) {
  const missing = ['ENOENT', 'ERR_HEAPGAP_COMMAND_NOT_FOUND'].includes(error.code);
  const hint = missing && /\s/.test(command) ? ' (give the command as separate words)' : '';
  fail(
    `cannot start ${command}: ${error.message}${hint}`,
    missing ? EXIT_NOT_FOUND : EXIT_CANNOT_INVOKE,
  );
}

function main([word, ...rest]) {
  if (word === 'run') return run(rest);
  if (word === '--version') return process.stdout.write(`${version}\n`);
  if (word === '--help' || word === 'help') return process.stdout.write(USAGE);
  return usageError(word === undefined ? 'what to do?' : `unknown command ${word}`);
}

main(process.argv.slice(2));
