/**
 * Puts the process on the jemalloc that heapgap ships: `import 'heapgap/preload'` as the first line, or
 * `node -r heapgap/preload`. Where jemalloc is not live the process starts anew, once, with the same pid,
 * arguments, environment, standard input, output and error. Where that cannot be done, one
 * warning (`HEAPGAP_PRELOAD`) says why. The environment variable `HEAPGAP_PRELOAD=0` turns it off.
 */
export {};
