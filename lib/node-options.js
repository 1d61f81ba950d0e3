'use strict';
// NODE_OPTIONS, as Node.js takes it apart: words between spaces; in double quotes a space belongs to the word,
// and a backslash keeps what follows it as it is (ParseNodeOptionsEnvVar in Node.js's src/node_options.cc).

function wordsOf(options) {
  const words = options.match(/(?:"(?:[^"\\]|\\.)*"|[^ "])+/gs) ?? [];
  return words.map((word) =>
    word.replaceAll(/"((?:[^"\\]|\\.)*)"/gs, (_, text) => text.replaceAll(/\\(.)/gs, '$1')),
  );
}

/** Requires `file` in every Node.js process, before its script. */
const requireOption = (file) => `--require "${file.replace(/["\\]/g, '\\$&')}"`;

/** `options` with `file` required, behind all else and once. */
function withRequire(options, file) {
  if (wordsOf(options ?? '').some((word) => word === file || word === `--require=${file}`))
    return options;
  return options ? `${options} ${requireOption(file)}` : requireOption(file);
}

/** Has V8 give each interpreted function code of its own, which has a name; else all of them share one. */
const NAMING_FLAG = '--interpreted-frames-native-stack';

/** `options` with `flag`, once. */
function withFlag(options, flag) {
  if (wordsOf(options ?? '').includes(flag)) return options;
  return options ? `${options} ${flag}` : flag;
}

module.exports = { NAMING_FLAG, requireOption, withFlag, withRequire, wordsOf };
