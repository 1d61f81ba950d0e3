'use strict';

const { useJemalloc } = require('../fixes.js');
const { insteadOf, preloadFix, preloading, seen, severityOf } = require('./shared.js');

/** The two libcs do not share a binary interface: such a library is refused, or ends the program. */
function byHeaders(facts) {
  return preloading(facts).flatMap((subject) => {
    const libc = subject.executable?.libc;
    return subject.preload
      .filter(({ elf }) => libc && elf?.libc && elf.libc !== libc)
      .map((each) => ({
        code: 'preload-wrong-libc',
        severity: severityOf(subject, each),
        summary: `LD_PRELOAD names ${each.entry}, which was linked against ${each.elf.libc}, and the program runs on ${libc}${insteadOf(subject)}`,
        evidence: [
          seen(subject, 'LD_PRELOAD', subject.environment.LD_PRELOAD),
          { pid: null, source: `DT_NEEDED of ${each.entry}`, value: each.elf.needed.join(' ') },
        ],
        fix: preloadFix(facts, subject, each),
      }));
  });
}

/** The words of ld.so, and of musl's linker, on what the other libc's libraries ask for. */
const REFUSALS = [
  { pattern: /error while loading shared libraries: (libc\.musl-[^:\s]+)/, needs: 'musl' },
  { pattern: /Error loading shared library (ld-linux-[^:\s]+)/, needs: 'glibc' },
];

const TAKE_OUT = '# take that library out of LD_PRELOAD first';

/** Where the library has ended the program before it could be looked at. */
function byComplaints({ complaints, host }) {
  return complaints.flatMap((line) =>
    REFUSALS.filter(({ pattern }) => pattern.test(line)).map(({ pattern, needs }) => ({
      code: 'preload-wrong-libc',
      severity: 'error',
      summary: `a program did not start: a preloaded library was linked against ${needs} (it needs ${pattern.exec(line)[1]})`,
      evidence: [{ pid: null, source: 'standard error of the command', value: line }],
      fix: useJemalloc(host, { first: [TAKE_OUT] }),
    })),
  );
}

const check = (facts) => [...byHeaders(facts), ...byComplaints(facts)];

module.exports = { codes: ['preload-wrong-libc'], check };
