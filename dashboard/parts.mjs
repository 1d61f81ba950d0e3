// The ledger's parts in the order of the chart, from the bottom up. docs/diagnosis.md says the same at length.

export const GROUPS = [
  {
    key: 'code',
    name: 'Code and files',
    parts: {
      code: ['Code', 'Node.js and its libraries: about 45 MB in any process.'],
      mappedFiles: [
        'Mapped files',
        'Other files that are mapped into memory. The kernel takes them back when it needs room.',
      ],
      shared: ['Shared memory', 'Shared with other processes, or that could be.'],
    },
  },
  {
    key: 'v8',
    name: 'V8 heap',
    parts: {
      v8Heap: [
        'V8 heap',
        'JavaScript objects and compiled code of this thread. A heap snapshot says which.',
      ],
      v8Workers: ['V8 heaps of workers', 'The same, of worker threads.'],
    },
  },
  {
    key: 'buffers',
    name: 'Buffers',
    parts: {
      buffers: [
        'Buffers',
        'Buffers and ArrayBuffers: JavaScript holds them, V8’s heap does not contain them.',
      ],
      external: [
        'Other external',
        'Other native memory that JavaScript objects hold, as V8 was told.',
      ],
    },
  },
  {
    key: 'native',
    name: 'Native, in use',
    parts: {
      native: [
        'Native, in use',
        'Allocated by addons, by Node.js and its libraries, and not freed.',
      ],
    },
  },
  {
    key: 'pinned',
    name: 'Fragmentation',
    parts: {
      pinned: [
        'Pinned (fragmentation)',
        'Free room in pages that also hold something in use. No purge returns it.',
      ],
    },
  },
  {
    key: 'freed',
    name: 'Freed, not returned',
    parts: {
      dirty: ['Dirty', 'Freed, and not given back to the system yet. A purge returns it.'],
      muzzy: ['Muzzy', 'Given back lazily: counted here until the kernel needs it.'],
      threadCaches: ['Thread caches', 'Freed, and kept by each thread for its next allocation.'],
    },
  },
  {
    key: 'other',
    name: 'Other',
    parts: {
      metadata: ['Metadata', 'The allocator’s own book-keeping.'],
      stacks: ['Stacks', 'The threads’ stacks.'],
      hugePageSlack: [
        'Huge page slack',
        'Made resident by transparent huge pages, needed by nobody.',
      ],
      unattributed: ['Unattributed', 'The rest, so that the sum is RSS.'],
    },
  },
];

/** The bytes of each group; `null` where none of its parts can be told: they are inside another one. */
export const groupBytes = (ledger) =>
  GROUPS.map(({ parts }) => {
    const known = Object.keys(parts)
      .map((part) => ledger?.[part] ?? null)
      .filter((size) => size !== null);
    return known.length === 0 ? null : known.reduce((sum, size) => sum + size, 0);
  });
