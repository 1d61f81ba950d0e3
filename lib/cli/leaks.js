'use strict';
// `heapgap leaks`: runs a command, and says which native memory its Node.js processes leave live at their end.

const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { pipeline } = require('node:stream/promises');

const { plain } = require('../doctor/report.js');
const { jemallocVariables } = require('../environment.js');
const { findLibrary } = require('../library.js');
const { NAMING_FLAG, withFlag, withRequire } = require('../node-options.js');
const { exponentOf } = require('../profiler/calls.js');
const { cannotStart, endAs, runChild } = require('./child.js');
const { parse } = require('./leaks/options.js');
const { toText } = require('./leaks/report.js');
const { fail, say, usageError } = require('./output.js');
const { openOutput } = require('./profile/output.js');

const EXIT_LEAKS = 1;
const CHECK = path.join(__dirname, '..', 'leak-check.js');

function variables({ sampleBytes, format }, library, directory) {
  const exponent = exponentOf(sampleBytes);
  const { LD_PRELOAD, MALLOC_CONF } = jemallocVariables(process.env, library);
  return {
    LD_PRELOAD,
    // From the very start, whatever the user has set: a thread draws when to take its first sample before it can be told.
    MALLOC_CONF: `${MALLOC_CONF},lg_prof_sample:${exponent},prof_thread_active_init:true`,
    NODE_OPTIONS: withRequire(withFlag(process.env.NODE_OPTIONS, NAMING_FLAG), CHECK),
    HEAPGAP_LEAKS: JSON.stringify({ directory, exponent, format }),
  };
}

/** What the command's Node.js processes have left in `directory`; who left most comes last. */
function readReports(directory) {
  const names = fs.readdirSync(directory).filter((name) => name.endsWith('.json'));
  const reports = names.map((name) =>
    JSON.parse(fs.readFileSync(path.join(directory, name), 'utf8')),
  );
  return reports.sort((a, b) => (a.found?.bytes ?? -1) - (b.found?.bytes ?? -1));
}

function tell(reports, { maxBytes }) {
  for (const { pid, program, why } of reports) {
    if (why) say(`${plain(program)} (pid ${pid}) was not checked: ${why}`);
  }
  for (const report of reports.filter(({ found }) => found)) {
    process.stderr.write(toText(report, maxBytes));
  }
}

/** The profile of the process that left most. */
async function save(reports, directory, output) {
  const file = path.join(directory, `${reports.at(-1).pid}.profile`);
  await pipeline(fs.createReadStream(file), output.stream);
}

/** What outlives the command may still write there. */
function remove(directory) {
  try {
    fs.rmSync(directory, { recursive: true, maxRetries: 3 });
  } catch (error) {
    say(`${directory} is left behind: ${error.message}`);
  }
}

/** Runs the command, and answers how to end. */
async function check(settings, library, directory, output) {
  const ended = await runChild(settings.command, variables(settings, library, directory));
  const reports = readReports(directory);
  tell(reports, settings);
  const checked = reports.filter(({ found }) => found);
  if (checked.length > 0 && output) await save(checked, directory, output);
  if (ended.status !== 0) {
    say(`${settings.command[0]} ended with ${ended.signal ?? `status ${ended.status}`}`);
    return ended;
  }
  if (checked.length === 0) throw new Error('no Node.js process of it came to a checked end');
  const isTooMuch = checked.some(({ found }) => found.bytes > settings.maxBytes);
  return { status: isTooMuch ? EXIT_LEAKS : 0, signal: null };
}

async function leaks(words) {
  let settings;
  try {
    settings = parse(words);
  } catch (error) {
    return usageError(error.message);
  }
  const { library, why } = findLibrary();
  const [command] = settings.command;
  if (!library) return fail(`cannot check ${command}: ${why}`);
  let directory = null;
  let output = null;
  let end = null;
  try {
    // A folder of this user's alone (mkdtemp(3)).
    directory = fs.mkdtempSync(path.join(os.tmpdir(), 'heapgap-leaks-'));
    if (settings.output) output = await openOutput(settings.output);
    end = await check(settings, library, directory, output);
  } catch (error) {
    if (error.syscall?.startsWith('spawn')) cannotStart(command, error);
    else fail(`cannot check ${command}: ${error.message}`);
  } finally {
    if (output?.stream.bytesWritten === 0) await output.discard();
    if (directory) remove(directory);
  }
  if (end) endAs(end);
}

module.exports = { leaks };
