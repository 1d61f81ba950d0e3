'use strict';

const ERR_HEAPGAP_INVALID_ARG_TYPE = 'ERR_HEAPGAP_INVALID_ARG_TYPE';
const ERR_HEAPGAP_INVALID_ARG_VALUE = 'ERR_HEAPGAP_INVALID_ARG_VALUE';
const ERR_HEAPGAP_UNKNOWN_OPTION = 'ERR_HEAPGAP_UNKNOWN_OPTION';
const ERR_HEAPGAP_UNAUTHORIZED = 'ERR_HEAPGAP_UNAUTHORIZED';
const ERR_HEAPGAP_FORBIDDEN = 'ERR_HEAPGAP_FORBIDDEN';
const ERR_HEAPGAP_CROSS_SITE = 'ERR_HEAPGAP_CROSS_SITE';
const ERR_HEAPGAP_NOT_FOUND = 'ERR_HEAPGAP_NOT_FOUND';
const ERR_HEAPGAP_METHOD_NOT_ALLOWED = 'ERR_HEAPGAP_METHOD_NOT_ALLOWED';
const ERR_HEAPGAP_RATE_LIMITED = 'ERR_HEAPGAP_RATE_LIMITED';
const ERR_HEAPGAP_BUSY = 'ERR_HEAPGAP_BUSY';
const ERR_HEAPGAP_OTHER_PROCESS = 'ERR_HEAPGAP_OTHER_PROCESS';
const ERR_HEAPGAP_NO_ROOM = 'ERR_HEAPGAP_NO_ROOM';
const ERR_HEAPGAP_ALREADY_GOVERNED = 'ERR_HEAPGAP_ALREADY_GOVERNED';
const ERR_HEAPGAP_SHED = 'ERR_HEAPGAP_SHED';
const ERR_HEAPGAP_INTERNAL = 'ERR_HEAPGAP_INTERNAL';
const ERR_HEAPGAP_COULD_NOT_LOOK = 'ERR_HEAPGAP_COULD_NOT_LOOK';
const ERR_HEAPGAP_PEER_MISSING = 'ERR_HEAPGAP_PEER_MISSING';
const ERR_HEAPGAP_PROFILER = 'ERR_HEAPGAP_PROFILER';
const ERR_HEAPGAP_PROFILER_UNAVAILABLE = 'ERR_HEAPGAP_PROFILER_UNAVAILABLE';

const MAX_SHOWN = 40;

/** Cuts text that came from outside, so that a message stays one readable line. */
function shorten(text) {
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text;
}

function typeName(value) {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'array' : typeof value;
}

function describe(value, secret) {
  const type = typeName(value);
  if (secret) return type === 'string' ? `string of ${value.length} characters` : type;
  if (type === 'string') return `string ${JSON.stringify(shorten(value))}`;
  if (type === 'number' || type === 'bigint' || type === 'boolean') {
    return `${type} ${shorten(String(value))}`;
  }
  return type;
}

/**
 * The error for a bad argument. `expected` says in words what was wanted and names the type
 * ("a positive number"): a value of that very type gets a RangeError, any other a TypeError.
 * A secret's value is never shown.
 */
function invalidArg(name, expected, value, { secret = name === 'token' } = {}) {
  const message = `expected \`${name}\` to be ${expected}, got ${describe(value, secret)}`;
  const rightType = expected.split(/\W+/).includes(typeName(value));
  return rightType
    ? Object.assign(new RangeError(message), { code: ERR_HEAPGAP_INVALID_ARG_VALUE })
    : Object.assign(new TypeError(message), { code: ERR_HEAPGAP_INVALID_ARG_TYPE });
}

/** The error for an option that `caller` does not have; `known` are those it has. */
function unknownOption(name, known, caller) {
  const options = known.map((option) => `\`${option}\``).join(', ');
  const message = `${caller}() has no option \`${shorten(name)}\`; its options: ${options}`;
  return Object.assign(new TypeError(message), { code: ERR_HEAPGAP_UNKNOWN_OPTION });
}

/** The error for a second governor. */
function alreadyGoverned() {
  const message = 'a governor runs in this process already: stop it before another is started';
  return Object.assign(new Error(message), { code: ERR_HEAPGAP_ALREADY_GOVERNED });
}

/** The error for what only one can do at a time. */
function busy(message) {
  return Object.assign(new Error(message), { code: ERR_HEAPGAP_BUSY });
}

/** The error for a process in which there can be no heap profile. */
function profilerUnavailable(why) {
  return Object.assign(new Error(why), { code: ERR_HEAPGAP_PROFILER_UNAVAILABLE });
}

/** `error`, of which napi-rs has lost the code: the profiler did not do what it was told. */
function profilerFailed(error) {
  return Object.assign(error, { code: ERR_HEAPGAP_PROFILER });
}

/** The error for a package that the program has to bring along. */
function peerMissing(who, name) {
  const message = `${who} needs the package ${name}, which is not installed here: npm install ${name}`;
  return Object.assign(new Error(message), { code: ERR_HEAPGAP_PEER_MISSING });
}

/** The error for what doctor() cannot look at. */
function couldNotLook(why) {
  return Object.assign(new Error(why), { code: ERR_HEAPGAP_COULD_NOT_LOOK });
}

/**
 * What `load` requires. A part of heapgap that is first needed when no descriptor is left cannot be read: the
 * next call tries again.
 */
function loaded(load) {
  try {
    return load();
  } catch (error) {
    throw couldNotLook(`heapgap could not load a part of itself: ${error.message}`);
  }
}

/** napi-rs gives a rejection one of its own codes: ours stay, another becomes an internal one. */
function withOwnCode(error) {
  if (String(error.code).startsWith('ERR_HEAPGAP_')) return error;
  return Object.assign(error, { code: ERR_HEAPGAP_INTERNAL });
}

module.exports = {
  alreadyGoverned,
  busy,
  ERR_HEAPGAP_BUSY,
  ERR_HEAPGAP_COULD_NOT_LOOK,
  ERR_HEAPGAP_CROSS_SITE,
  ERR_HEAPGAP_FORBIDDEN,
  ERR_HEAPGAP_INTERNAL,
  ERR_HEAPGAP_INVALID_ARG_TYPE,
  ERR_HEAPGAP_INVALID_ARG_VALUE,
  ERR_HEAPGAP_METHOD_NOT_ALLOWED,
  ERR_HEAPGAP_NOT_FOUND,
  ERR_HEAPGAP_NO_ROOM,
  ERR_HEAPGAP_OTHER_PROCESS,
  ERR_HEAPGAP_PEER_MISSING,
  ERR_HEAPGAP_PROFILER,
  ERR_HEAPGAP_PROFILER_UNAVAILABLE,
  ERR_HEAPGAP_RATE_LIMITED,
  ERR_HEAPGAP_SHED,
  ERR_HEAPGAP_UNAUTHORIZED,
  ERR_HEAPGAP_UNKNOWN_OPTION,
  couldNotLook,
  invalidArg,
  loaded,
  peerMissing,
  profilerFailed,
  profilerUnavailable,
  unknownOption,
  withOwnCode,
};
