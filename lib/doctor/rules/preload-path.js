'use strict';

const { everywhere, preloadLine } = require('../fixes.js');
const { preloadFix, preloading, seen, severityOf, usable } = require('./shared.js');

/** ld.so(8): the list is separated by spaces or colons, and nothing escapes them. */
function spaces(facts, subject, each) {
  const { entry } = each;
  return {
    code: 'preload-path',
    severity: severityOf(subject, each),
    summary: `LD_PRELOAD names ${entry}, but it is a list separated by spaces, so that no part of it is found`,
    evidence: [seen(subject, 'LD_PRELOAD', subject.environment.LD_PRELOAD)],
    fix: preloadFix(facts, subject, each),
  };
}

function relative(subject, { entry, file }) {
  const absolute = file ?? `/absolute/path/of/${entry}`;
  const entries = usable(subject).map((each) => (each.entry === entry ? absolute : each.entry));
  return {
    code: 'preload-path',
    severity: 'warning',
    summary: `LD_PRELOAD names ${entry}, which is found only from the folder that the program happens to start in`,
    evidence: [seen(subject, 'LD_PRELOAD', subject.environment.LD_PRELOAD)],
    fix: everywhere(preloadLine(entries)),
  };
}

function check(facts) {
  return preloading(facts).flatMap((subject) =>
    subject.preload.flatMap((entry) => {
      if (entry.problem === 'spaces') return [spaces(facts, subject, entry)];
      const isRelative = entry.entry.includes('/') && !/^[/$]/.test(entry.entry);
      return isRelative ? [relative(subject, entry)] : [];
    }),
  );
}

module.exports = { codes: ['preload-path'], check };
