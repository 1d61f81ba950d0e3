'use strict';

const path = require('node:path');

/** What this program is called where people read it: by its main script, for `process.title` is `node` as a rule. */
const programName = () => path.basename(process.argv[1] ?? process.title);

module.exports = { programName };
