'use strict';
// What several rounds come to.

const sorted = (values) => [...values].sort((a, b) => a - b);

/** Of an even number, the mean of the two in the middle. */
function median(values) {
  const all = sorted(values);
  const [low, high] = [Math.floor((all.length - 1) / 2), Math.floor(all.length / 2)];
  return (all[low] + all[high]) / 2;
}

/** Median, least and most; null where there is nothing. */
function spread(values) {
  if (values.length === 0) return null;
  const all = sorted(values);
  return { median: median(all), min: all[0], max: all.at(-1) };
}

/** What so large a share of the values is not above (nearest rank); null where there is nothing. */
function quantile(values, share) {
  const all = sorted(values);
  return all[Math.max(0, Math.ceil(all.length * share) - 1)] ?? null;
}

module.exports = { median, quantile, spread };
