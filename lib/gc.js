'use strict';

const v8 = require('node:v8');
const vm = require('node:vm');

/**
 * V8's garbage collection. A context of its own has the function that the flag brings, so that
 * `globalThis.gc` stays as it is.
 */
function exposedGc() {
  const exposed = typeof globalThis.gc === 'function';
  if (!exposed) v8.setFlagsFromString('--expose-gc');
  try {
    return vm.runInNewContext('gc');
  } finally {
    if (!exposed) v8.setFlagsFromString('--no-expose-gc');
  }
}

module.exports = { exposedGc };
