'use strict';
// Prints who serves malloc here.

process.stdout.write(JSON.stringify(require('../..').allocator()));
