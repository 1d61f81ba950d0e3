'use strict';
// Prints the options that the live jemalloc has taken, and what its MALLOC_CONF was.

const { addon } = require('../../lib/native.js');

addon.printout().then(({ printout }) => {
  const { MALLOC_CONF } = process.env;
  process.stdout.write(JSON.stringify({ MALLOC_CONF, opt: printout.jemalloc.opt }));
});
