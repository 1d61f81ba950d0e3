'use strict';
// Prints what its container has, and what another process's.

const { container } = require('../../lib/container.js');

process.stdout.write(JSON.stringify({ own: container(), other: container({ pid: 1 }) }));
