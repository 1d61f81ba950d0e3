'use strict';
// Chance that falls alike for every contender: it depends on the request's number alone.

/** Knuth's multiplicative hash, its upper half: 0 to 65535. */
const hash = (number) => (Math.imul(number + 1, 2_654_435_761) >>> 16) & 0xffff;

const between = (number, low, high) => low + Math.floor((hash(number) * (high - low)) / 0x10000);

/** Sizes of real payloads: many small, few large. */
const skewed = (number, low, high) => Math.round(low * (high / low) ** (hash(number) / 0x10000));

/** The number of a request: /<number>. */
const numberOf = ({ url }) => Number(url.slice(1));

module.exports = { between, hash, numberOf, skewed };
