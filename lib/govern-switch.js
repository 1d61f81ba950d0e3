'use strict';
// What HEAPGAP_GOVERN asks of heapgap/preload: a governor without a line of code.

const { invalidArg } = require('./errors.js');
const { addon, why } = require('./native.js');

/** What `1` stands for, and JSON does not name. With collections a service survives lower limits, at less cost. */
const DEFAULTS = { gc: true };

/** Also another copy of heapgap, or this file loaded a second time, sees that this process was switched on. */
const SWITCHED = Symbol.for('heapgap.governor.switched');

const EXPECTED = 'unset, 0, 1 or the options of govern() as a JSON object';

function parse(setting) {
  try {
    return JSON.parse(setting);
  } catch {
    return null;
  }
}

function optionsOf(setting) {
  if (setting === '1') return DEFAULTS;
  const options = parse(setting);
  const isObject = typeof options === 'object' && options !== null && !Array.isArray(options);
  if (!isObject) throw invalidArg('HEAPGAP_GOVERN', EXPECTED, setting);
  return { ...DEFAULTS, ...options };
}

/** Starts the governor that `setting` describes, which the program's own replaces; throws where it cannot. */
function switchOn(setting) {
  if (process[SWITCHED]) return;
  process[SWITCHED] = true;
  const options = optionsOf(setting);
  if (!addon) throw new Error(why);
  const { govern, governorFigures } = require('./govern.js');
  if (governorFigures()?.running) return;
  govern(options, { replaceable: true });
}

module.exports = { switchOn };
