'use strict';

const { perfMapFile } = require('./perf-map.js');

/** What the addon is told of how to write a profile of this process (`Rendering` in src/api/profiler.rs). */
const rendering = (format, { title = process.title, before = null, durationMs = null } = {}) => ({
  format,
  before,
  perfMap: perfMapFile(),
  title,
  timeMs: Date.now() - (durationMs ?? 0),
  durationMs,
});

module.exports = { rendering };
