'use strict';
// Figures as people say them; what is missing is a dash.

const MISSING = '—';
const MB = 2 ** 20;
const GB = 2 ** 30;

/** Units are those of the diagnosis (src/diagnosis/words.rs), with a digit more, so that small steps show. */
function bytes(value) {
  if (value === null || value === undefined) return MISSING;
  const size = Math.abs(value);
  if (size >= 4 * GB) return `${(value / GB).toFixed(2)} GB`;
  if (size >= MB) return `${(value / MB).toFixed(1)} MB`;
  return `${Math.round(value / 1024)} KB`;
}

const share = (part, whole) =>
  part === null || !(whole > 0) ? MISSING : `${Math.round((100 * part) / whole)} %`;

const count = (number, word) => `${number ?? MISSING} ${word}${number === 1 ? '' : 's'}`;

module.exports = { MISSING, bytes, count, share };
