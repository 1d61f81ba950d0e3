'use strict';

const { useJemalloc } = require('../fixes.js');
const { insteadOf, preloading, seen } = require('./shared.js');

/** The two libcs do not share a binary interface: such a library is refused, or ends the program. */
function byHeaders(facts) {
  return preloading(facts).flatMap((subject) => {
    const libc = subject.executable?.libc;
    return subject.preload
      .filter(({ elf }) => libc && elf?.libc && elf.libc !== libc)
      .map(({ entry, elf }) =>
        finding(
          facts,
          `LD_PRELOAD names ${entry}, which was linked against ${elf.libc}, and the program runs on ${libc}${insteadOf(subject)}`,
          [
            seen(subject, 'LD_PRELOAD', subject.environment.LD_PRELOAD),
            { pid: null, source: `DT_NEEDED of ${entry}`, value: elf.needed.join(' ') },
          ],
        ),
      );
  });
}

/** The words of ld.so, and of musl's linker, on what the other libc's libraries ask for. */
const REFUSALS = [
  { pattern: /error while loading shared libraries: (libc\.musl-[^:\s]+)/, needs: 'musl' },
  { pattern: /Error loading shared library (ld-linux-[^:\s]+)/, needs: 'glibc' },
];

/** Where the library has ended the program before it could be looked at. */
function byComplaints(facts) {
  return facts.complaints.flatMap((line) =>
    REFUSALS.filter(({ pattern }) => pattern.test(line)).map(({ pattern, needs }) =>
      finding(
        facts,
        `a program did not start: a preloaded library was linked against ${needs} (it needs ${pattern.exec(line)[1]})`,
        [{ pid: null, source: 'standard error of the command', value: line }],
      ),
    ),
  );
}

const finding = (facts, summary, evidence) => ({
  code: 'preload-wrong-libc',
  severity: 'error',
  summary,
  evidence,
  fix: useJemalloc(facts.host),
});

const check = (facts) => [...byHeaders(facts), ...byComplaints(facts)];

module.exports = { codes: ['preload-wrong-libc'], check };
