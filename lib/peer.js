'use strict';

const { peerMissing } = require('./errors.js');

/** A package that the program brings along; throws one that says so where it does not. */
function peer(name, who) {
  try {
    return require(name);
  } catch (error) {
    if (error.code !== 'MODULE_NOT_FOUND' || !error.message.includes(`'${name}'`)) throw error;
    throw peerMissing(who, name);
  }
}

module.exports = { peer };
