'use strict';
// What heapgap finds when it is installed in a project, on a processor that is faked.

const path = require('node:path');

const [project, cpu] = process.argv.slice(2);
Object.defineProperty(process, 'arch', { value: cpu });
const heapgap = path.join(project, 'node_modules', 'heapgap');
const { name, evidence } = require(heapgap).allocator();
const { library } = require(path.join(heapgap, 'lib', 'library.js')).findLibrary();
console.log(JSON.stringify({ name, evidence, library }));
