'use strict';
// `profiler`: jemalloc's heap profiler, which tells from which stacks the native memory comes that is still live.

const { loaded } = require('./errors.js');
const { addon, why } = require('./native.js');

const state = () => (addon ? addon.profilerState() : { why, active: false, sampleBytes: null });

/** Loaded when first called: few services profile. */
const call = (name) => async (options) =>
  loaded(() => require('./profiler/calls.js'))[name](options);

const profiler = {
  get available() {
    return state().why === null;
  },
  get why() {
    return state().why;
  },
  get active() {
    return state().active;
  },
  get sampleBytes() {
    return state().sampleBytes;
  },
  start: call('start'),
  stop: call('stop'),
  reset: call('reset'),
  dump: call('dump'),
  profile: call('profile'),
};

module.exports = { profiler, state };
