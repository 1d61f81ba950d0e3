'use strict';

const sentences = require('../sentences.js');
const { preloadFix, preloading, seen, severityOf } = require('./shared.js');

const BITS = { ia32: 32, arm: 32 };

/** What the program is, by its own header; by this Node.js where that cannot be read. */
function expectedOf({ executable }, { arch }) {
  return executable ?? { machine: arch, bits: BITS[arch] ?? 64 };
}

const describe = ({ machine, bits }) => `${machine}, ${bits} bits`;

function check(facts) {
  return preloading(facts).flatMap((subject) => {
    const program = expectedOf(subject, facts.host);
    return subject.preload
      .filter(({ elf }) => elf && (elf.machine !== program.machine || elf.bits !== program.bits))
      .map(({ entry, elf, ...rest }) => ({
        code: 'preload-wrong-architecture',
        severity: severityOf(subject, rest),
        summary: sentences.wrongArchitecture(
          entry,
          elf.machine,
          program.machine,
          subject.allocator?.name,
        ),
        evidence: [
          seen(subject, 'LD_PRELOAD', subject.environment.LD_PRELOAD),
          { pid: null, source: `the ELF header of ${entry}`, value: describe(elf) },
          seen(subject, 'the ELF header of the program', describe(program)),
        ],
        fix: preloadFix(facts, subject, { entry, ...rest }),
      }));
  });
}

module.exports = { codes: ['preload-wrong-architecture'], check };
