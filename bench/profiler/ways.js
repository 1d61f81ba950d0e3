'use strict';
// The ways to start a process that are compared: the words before `node`.

const { UNGOVERNED, contenders } = require('../contenders.js');

const [{ words: run }] = contenders(UNGOVERNED);

const WITHOUT = ['env', 'MALLOC_CONF=prof:false', ...run];
const POSSIBLE = run;
const NAMED = ['env', 'HEAPGAP_PROFILE=1', ...run];

module.exports = { NAMED, POSSIBLE, WITHOUT };
