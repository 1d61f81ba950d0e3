'use strict';

// Puts the same load on the Express example twice, on the libc's allocator and under `heapgap run`, reads both
// services' /debug/memory, and prints what was measured. With --serve it leaves one of them up, to be looked at.

const { compare, progress } = require('./demo/compare.js');
const { USAGE, readArguments } = require('./demo/options.js');
const { serve } = require('./demo/serve.js');
const { killServices, stopServices } = require('./demo/service.js');

const DEADLINE_MS = 160_000;
/** As a shell has it: 128 and the signal's number. */
const SIGNALS = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 };

/** What ends because it is told to does not fail. */
let isEnding = false;

function fail(error, code = 1) {
  if (isEnding) return;
  progress.clear();
  console.error(`demo: ${error.message}`);
  process.exit(code);
}

/** To be ended by a signal is how --serve ends. */
async function end(code) {
  isEnding = true;
  progress.clear();
  await stopServices();
  process.exit(options.serve ? 0 : code);
}

function chosen() {
  try {
    return readArguments(process.argv.slice(2));
  } catch (error) {
    return fail(new Error(`${error.message}\n\n${USAGE}`), 2);
  }
}

const options = chosen();
process.once('exit', killServices);
for (const [signal, code] of Object.entries(SIGNALS)) process.on(signal, () => end(code));
if (!options.serve) {
  const late = () => fail(new Error(`not done after ${DEADLINE_MS / 1000} s`));
  setTimeout(late, DEADLINE_MS).unref();
}
(options.serve ? serve(options) : compare()).then(() => process.exit(0), fail);
