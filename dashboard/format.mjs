// Figures in words. Bytes are shown in units of 1024, as the rest of heapgap does.

const UNITS = ['bytes', 'KB', 'MB', 'GB', 'TB'];
export const NONE = '—';

const isNumber = (value) => typeof value === 'number' && Number.isFinite(value);

/** Such as `385.6 MB`; at least two digits, so that growth can be seen. */
export function bytes(value) {
  if (!isNumber(value)) return NONE;
  const size = Math.abs(value);
  // From 1023.5 on it would be rounded to 1024 of a unit.
  const power =
    size < 1024
      ? 0
      : Math.min(Math.floor(Math.log2(size * (1024 / 1023.5)) / 10), UNITS.length - 1);
  const amount = size / 1024 ** power;
  const digits = power === 0 || amount >= 100 ? 0 : amount >= 10 ? 1 : 2;
  return `${value < 0 ? '−' : ''}${amount.toFixed(digits)} ${UNITS[power]}`;
}

export const exact = (value) =>
  isNumber(value) ? `${value.toLocaleString('en')} bytes` : 'not known';

export const count = (value) => (isNumber(value) ? value.toLocaleString('en') : NONE);

export const percent = (share) => {
  if (!isNumber(share)) return NONE;
  if (share > 0 && share < 0.0005) return '< 0.1 %';
  return `${(share * 100).toFixed(share < 0.1 ? 1 : 0)} %`;
};

export const duration = (ms) => {
  if (!isNumber(ms)) return NONE;
  if (ms > 0 && ms < 1) return '< 1 ms';
  if (ms < 1000) return `${ms < 0 ? '−' : ''}${Math.abs(Math.round(ms))} ms`;
  if (ms < 120_000) return `${(ms / 1000).toFixed(ms < 10_000 ? 1 : 0)} s`;
  return ms < 7_200_000 ? `${Math.round(ms / 60_000)} min` : `${(ms / 3_600_000).toFixed(1)} h`;
};

const CLOCK = new Intl.DateTimeFormat(undefined, { timeStyle: 'medium' });
export const clock = (time) => CLOCK.format(time);

/** A figure of evidence, by its unit. */
export function measured(value, unit) {
  if (value === null || value === undefined) return NONE;
  if (!isNumber(value)) return String(value);
  switch (unit) {
    case 'bytes':
      return bytes(value);
    case 'bytes/s':
      return `${bytes(value)} per s`;
    case 'count/s':
      return `${value.toFixed(2)} per s`;
    case 'ms':
      return duration(value);
    case 'ratio':
      return percent(value);
    default:
      return count(value);
  }
}
