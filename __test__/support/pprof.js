'use strict';
// Heap profiles as others read them: pprof-format, jeprof's arithmetic, and Google's pprof.

const { execFileSync } = require('node:child_process');
const { gunzipSync } = require('node:zlib');
const { Profile } = require('pprof-format');

/** What a table of a profile has, by number. Every number must be there, once. */
function table(entries) {
  const byId = new Map(entries.map((entry) => [Number(entry.id), entry]));
  if (byId.size !== entries.length || byId.has(0)) throw new Error('a number is 0, or there twice');
  return (id) => {
    const entry = byId.get(Number(id));
    if (entry === undefined) throw new Error(`number ${id} is missing`);
    return entry;
  };
}

/** A file for pprof with what its numbers refer to; throws where one leads nowhere. */
function decode(file) {
  const profile = Profile.decode(gunzipSync(file));
  const { strings } = profile.stringTable;
  if (strings[0] !== '') throw new Error('the first string is not the empty one');
  const text = (index) => {
    const string = strings[Number(index)];
    if (string === undefined) throw new Error(`string ${index} is missing`);
    return string;
  };
  const mappings = profile.mapping.map((mapping) => ({
    id: mapping.id,
    start: BigInt(mapping.memoryStart),
    limit: BigInt(mapping.memoryLimit),
    offset: BigInt(mapping.fileOffset),
    file: text(mapping.filename),
    buildId: text(mapping.buildId),
  }));
  const mappingOf = table(mappings);
  const functionOf = table(profile.function);
  const locations = profile.location.map(({ id, mappingId, address, line }) => ({
    id,
    address: BigInt(address),
    mapping: Number(mappingId) === 0 ? null : mappingOf(mappingId),
    functions: line.map(({ functionId }) => {
      const { name, filename, startLine } = functionOf(functionId);
      return { name: text(name), file: text(filename), line: Number(startLine) };
    }),
  }));
  const locationOf = table(locations);
  const samples = profile.sample.map(({ locationId, value }) => ({
    values: value.map(Number),
    locations: locationId.map(locationOf),
  }));
  const typed = ({ type, unit }) => [text(type), text(unit)];
  return {
    sampleTypes: profile.sampleType.map(typed),
    defaultSampleType: text(profile.defaultSampleType),
    periodType: typed(profile.periodType),
    period: Number(profile.period),
    timeMs: Number(profile.timeNanos) / 1e6,
    comments: profile.comment.map(text),
    mappings,
    locations,
    samples,
  };
}

const sum = (samples) => samples.reduce((bytes, { values }) => bytes + values[1], 0);

/** The bytes of all stacks. */
const bytesOf = ({ samples }) => sum(samples);

/** The bytes of the stacks with a function called `name`. */
function bytesWith({ samples }, name) {
  const has = ({ functions }) => functions.some((known) => known.name === name);
  return sum(samples.filter(({ locations }) => locations.some(has)));
}

/** jemalloc's text without what changes all the time: the mappings behind it, and each thread's part, also that of dumps. */
const samplesOf = (jeheap) =>
  jeheap.slice(0, jeheap.indexOf('\nMAPPED_LIBRARIES:')).replaceAll(/^ *t\d+: .*\n/gm, '');

/** What jemalloc's text stands for, stack by stack as jeprof has it (AdjustSamples). */
function jeheapBytes(jeheap) {
  const [header, ...stacks] = samplesOf(jeheap).split('\n@');
  const [, rate] = /^heap_v2\/(\d+)\n/.exec(header);
  const bytes = stacks.map((stack) => {
    const [objects, bytes] = /^ *t\*: (\d+): (\d+) /m.exec(stack).slice(1).map(Number);
    return bytes === 0 ? 0 : bytes / -Math.expm1(-bytes / objects / Number(rate));
  });
  return { bytes: bytes.reduce((total, stack) => total + stack, 0), stacks: stacks.length };
}

/**
 * What `go tool pprof` says to `words` and a file. Where there is no Go it skips the test `t` on a developer's machine and
 * fails it under CI.
 */
function goPprof(t, ...words) {
  try {
    return execFileSync('go', ['tool', 'pprof', ...words], { encoding: 'utf8', stdio: 'pipe' });
  } catch (error) {
    if (error.code !== 'ENOENT' || process.env.CI) throw error;
    t.skip('Go is not installed (README, Developing: what the tests need)');
    return null;
  }
}

module.exports = { bytesOf, bytesWith, decode, goPprof, jeheapBytes, samplesOf };
