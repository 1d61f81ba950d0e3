'use strict';
// Prints which of heapgap's platform packages are installed.

const { createRequire } = require('node:module');

const heapgap = createRequire(require.resolve('heapgap'));
const { optionalDependencies } = heapgap('./package.json');

function isInstalled(name) {
  try {
    return Boolean(heapgap.resolve(`${name}/package.json`));
  } catch (error) {
    if (error.code === 'MODULE_NOT_FOUND') return false;
    throw error;
  }
}

console.log(JSON.stringify(Object.keys(optionalDependencies).filter(isInstalled)));
