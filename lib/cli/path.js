'use strict';
// `heapgap path`: for those who write LD_PRELOAD into their Dockerfile themselves.

const { findLibrary } = require('../library.js');
const { fail, usageError } = require('./output.js');

const EXIT_NO_LIBRARY = 1;

function path(words) {
  if (words.length > 0) return usageError(`path takes no argument, got ${words[0]}`);
  const { library, why } = findLibrary();
  if (!library) return fail(`there is no library to preload: ${why}`, EXIT_NO_LIBRARY);
  process.stdout.write(`${library}\n`);
}

module.exports = { path };
