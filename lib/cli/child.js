'use strict';
// A command that runs as a child of this process, where it cannot take its place.

const { spawn } = require('node:child_process');
const os = require('node:os');
const tty = require('node:tty');

const { fail } = require('./output.js');

// As env(1), nohup(1) and timeout(1) use them.
const EXIT_CANNOT_INVOKE = 126;
const EXIT_NOT_FOUND = 127;

const FROM_TERMINAL = ['SIGINT', 'SIGQUIT'];
const FORWARDED = [...FROM_TERMINAL, 'SIGTERM', 'SIGHUP', 'SIGUSR1', 'SIGUSR2'];

/** Signals reach the command as they would without us; answers how it ended. */
function runChild([command, ...args], variables) {
  const env = { ...process.env, ...variables };
  const child = spawn(command, args, { stdio: 'inherit', env });
  for (const signal of FORWARDED) {
    process.on(signal, () => {
      if (!hasSignalAlready(signal)) child.kill(signal);
    });
  }
  return new Promise((resolve, reject) => {
    child.on('error', (error) => {
      // Also emitted when a signal cannot be sent, to a command that runs.
      if (child.pid === undefined) reject(error);
    });
    child.on('exit', (status, signal) => resolve({ status, signal }));
  });
}

/**
 * A terminal sends these to all that run in it (termios(3), ISIG), and twice would be read as "at
 * once". On Windows every signal from outside is such, and kill() would end the command at once.
 */
function hasSignalAlready(signal) {
  return process.platform === 'win32' || (FROM_TERMINAL.includes(signal) && tty.isatty(0));
}

/** Ends this process as the command ended, so that who started it sees no difference. */
function endAs({ status, signal }) {
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

module.exports = { cannotStart, endAs, runChild };
