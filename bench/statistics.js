'use strict';
// What several rounds come to.

const sorted = (values) => [...values].sort((a, b) => a - b);
const median = (values) => sorted(values)[Math.floor(values.length / 2)];

/** Median, least and most; null where there is nothing. */
function spread(values) {
  if (values.length === 0) return null;
  const [min, max] = [sorted(values)[0], sorted(values).at(-1)];
  return { median: median(values), min, max };
}

module.exports = { median, spread };
