'use strict';
// `heapgap doctor`: what doctor() finds, for people and for scripts.

const { examine } = require('../doctor/examine.js');
const { plain, toJson, toText } = require('../doctor/report.js');
const { interruptible } = require('./interruptible.js');
const { fail, usageError } = require('./output.js');

const EXIT_HEALTHY = 0;
const EXIT_FINDINGS = 1;
const EXIT_COULD_NOT_LOOK = 2;

/** What a Node.js process gets that is started in this environment. */
const STARTED_HERE = process.platform === 'linux' ? [process.execPath, '-e', '0'] : undefined;

const MAX_TIMEOUT_S = 86_400;

function parse(words) {
  const settings = { json: false, pid: undefined, command: undefined, timeoutMs: undefined };
  const rest = separate(words);
  while (rest.length > 0) {
    const word = rest.shift();
    if (word === '--json') settings.json = true;
    else if (word === '--pid') settings.pid = readNumber('--pid', rest.shift(), /^[1-9]\d{0,9}$/);
    else if (word === '--timeout') settings.timeoutMs = readSeconds(rest.shift());
    else if (word === '--') settings.command = rest.splice(0);
    else throw new Error(word.startsWith('-') ? `doctor has no option ${plain(word)}` : hint(word));
  }
  if (settings.command?.length === 0) throw new Error('a command is expected after --');
  if (settings.pid !== undefined && settings.command)
    throw new Error('either --pid or a command, not both');
  return settings;
}

/** `--pid=1` is `--pid 1`; what follows `--` is the command's own. */
function separate(words) {
  const end = words.includes('--') ? words.indexOf('--') : words.length;
  const own = words.slice(0, end).flatMap((word) => {
    const [, name, value] = /^(--[a-z]+)=(.*)$/s.exec(word) ?? [];
    return name ? [name, value] : [word];
  });
  return [...own, ...words.slice(end)];
}

const hint = (word) =>
  /^\d+$/.test(word)
    ? `a process is given as --pid ${word}`
    : `a command comes after --, such as: heapgap doctor -- ${plain(word)}`;

function readNumber(name, text, pattern) {
  if (text !== undefined && pattern.test(text)) return Number(text);
  const got = text === undefined ? 'nothing' : plain(text);
  throw new Error(`expected \`${name}\` to be a positive number, got ${got}`);
}

function readSeconds(text) {
  const seconds = readNumber('--timeout', text, /^\d{1,6}(\.\d+)?$/);
  if (seconds > 0 && seconds <= MAX_TIMEOUT_S) return seconds * 1000;
  throw new Error(
    `expected \`--timeout\` to be a positive number up to ${MAX_TIMEOUT_S}, got ${text}`,
  );
}

/** A terminal's user wants colour, unless they say otherwise (no-color.org). */
const wantsColour = () => process.stdout.isTTY === true && !process.env.NO_COLOR;

async function doctor(words) {
  let settings;
  try {
    settings = parse(words);
  } catch (error) {
    return usageError(error.message, EXIT_COULD_NOT_LOOK);
  }
  const { json, pid, timeoutMs } = settings;
  const command = settings.command ?? (pid === undefined ? STARTED_HERE : undefined);
  const look = async (signal) => {
    const report = await examine({ pid, command, timeoutMs, signal });
    process.stdout.write(json ? toJson(report) : toText(report, { colour: wantsColour() }));
    process.exitCode = report.healthy ? EXIT_HEALTHY : EXIT_FINDINGS;
  };
  await interruptible(look, (error) =>
    fail(`doctor could not look: ${plain(error.message)}`, EXIT_COULD_NOT_LOOK),
  );
}

module.exports = { doctor };
