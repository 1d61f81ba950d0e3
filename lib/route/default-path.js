'use strict';

/** Where the route is unless told otherwise. */
const DEFAULT_PATH = '/debug/memory';

module.exports = { DEFAULT_PATH };
