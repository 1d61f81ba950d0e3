'use strict';

const os = require('node:os');

const ENDING = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'];

/**
 * Runs `work` with an `AbortSignal` that aborts when somebody ends this process; it ends once `work` has cleaned up, with
 * the exit status of a process that the signal has ended. What `work` throws of itself is `onFailure`'s.
 */
async function interruptible(work, onFailure) {
  const controller = new AbortController();
  let interrupted = null;
  const interrupt = (signal) => {
    interrupted ??= signal;
    controller.abort();
  };
  // Until the end: a second one must not leave behind what `work` still cleans up.
  for (const signal of ENDING) process.on(signal, interrupt);
  try {
    await work(controller.signal);
  } catch (error) {
    if (interrupted) process.exitCode = 128 + os.constants.signals[interrupted];
    else onFailure(error);
  } finally {
    for (const signal of ENDING) process.removeListener(signal, interrupt);
  }
}

module.exports = { interruptible };
