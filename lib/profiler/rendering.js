'use strict';

const { programName } = require('../program.js');
const { perfMapFile } = require('./perf-map.js');

/** What the addon is told of how to write a profile of this process (`Rendering` in src/api/profiler.rs). */
const rendering = (format, { before = null, durationMs = null } = {}) => ({
  format,
  before,
  perfMap: perfMapFile(),
  title: programName(),
  timeMs: Date.now() - (durationMs ?? 0),
  durationMs,
});

module.exports = { rendering };
