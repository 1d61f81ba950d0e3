'use strict';
// Whether a target is met, where what is measured varies by more than the target allows.

const { median, quantile } = require('../statistics.js');

/** How far off a median may be: the notch of a box plot (McGill, Tukey & Larsen, 1978), for about 95 % of cases. */
const notchOf = (values) =>
  (1.57 * (quantile(values, 0.75) - quantile(values, 0.25))) / Math.sqrt(values.length);

/** `bias`: what two that are alike differ by. */
function judge(values, target, bias = 0) {
  const error = Math.max(notchOf(values), bias);
  const middle = median(values);
  const [low, high] = [middle - error, middle + error].map(target.met);
  if (low !== high) return 'unclear: noise';
  return low ? 'met' : 'MISSED';
}

module.exports = { judge };
