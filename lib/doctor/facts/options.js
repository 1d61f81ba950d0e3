'use strict';

const { parseConf } = require('../conf.js');
const { linkTarget } = require('./files.js');

/** jemalloc takes its options from what this link points to (jemalloc(3), TUNING). */
const ETC_MALLOC_CONF = '/etc/malloc.conf';

/** The options of this process's own jemalloc, those that it was asked for among them; or `null`. */
function ownOptions(addon, environment) {
  const known = addon?.options() ?? null;
  if (!known) return null;
  const texts = [environment.MALLOC_CONF, linkTarget(ETC_MALLOC_CONF)];
  const asked = texts.flatMap((text) => parseConf(text ?? '').pairs.map(({ key }) => key));
  return { ...known, ...addon.options(asked) };
}

module.exports = { ownOptions };
