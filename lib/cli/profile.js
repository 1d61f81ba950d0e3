'use strict';
// `heapgap profile`: a heap profile of a running service, asked of its route, into a file.

const { pipeline } = require('node:stream/promises');

const { plain } = require('../doctor/report.js');
const { interruptible } = require('./interruptible.js');
const { fail, usageError } = require('./output.js');
const { FORMATS, parse } = require('./profile/options.js');
const { openOutput } = require('./profile/output.js');
const { countDown } = require('./profile/progress.js');
const { ask, below, reasonOf, refusalOf } = require('./watch/request.js');
const { shownAddress } = require('./watch/target.js');

const EXIT_COULD_NOT = 2;
/** For the names of all functions, and for a network, beside the time that the profile takes. */
const MORE_MS = 60_000;

/** The answer, once it begins: it is a profile, in that format. */
async function request({ url, seconds, format }, signal) {
  const target = below(url, '/profile');
  target.search = new URLSearchParams({ seconds, format });
  const token = process.env.HEAPGAP_TOKEN;
  const timeoutMs = seconds * 1000 + MORE_MS;
  const response = await ask(target, { token, timeoutMs, signal });
  if (response.statusCode !== 200) throw new Error((await refusalOf(response)).why);
  const type = response.headers['content-type'] ?? 'nothing';
  if (type.split(';', 1)[0].trim().toLowerCase() === FORMATS[format].type) return response;
  response.destroy();
  throw new Error(`no ${format} of heapgap's route: it answers ${plain(type)}`);
}

/** Answers the file's name, or `null` where there is none. */
async function save(settings, signal) {
  const output = await openOutput(settings.output);
  try {
    const stop = countDown(shownAddress(settings.url), settings.seconds);
    const response = await request(settings, signal).finally(stop);
    await pipeline(response, output.stream, { signal, end: output.name !== null });
    return output.name;
  } catch (error) {
    await output.discard();
    throw error;
  }
}

async function profile(words) {
  let settings;
  try {
    settings = parse(words);
  } catch (error) {
    return usageError(error.message, EXIT_COULD_NOT);
  }
  const toFile = async (signal) => {
    const name = await save(settings, signal);
    if (name !== null) process.stdout.write(`${name}\n`);
  };
  await interruptible(toFile, (error) =>
    fail(`cannot profile ${shownAddress(settings.url)}: ${reasonOf(error)}`, EXIT_COULD_NOT),
  );
}

module.exports = { profile };
