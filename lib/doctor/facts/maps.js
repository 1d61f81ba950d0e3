'use strict';

/** The files that are mapped as code, in order of address, by the text of /proc/<pid>/maps (proc(5)). */
function codeFiles(text) {
  const lines = text.matchAll(/^\S+ \S{2}x\S \S+ \S+ \d+\s+(\/.*)$/gm);
  return [...new Set(Array.from(lines, ([, name]) => name))];
}

module.exports = { codeFiles };
