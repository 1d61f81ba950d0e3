/**
 * Puts the process on the jemalloc that heapgap ships: `import 'heapgap/preload'` as the first line, or
 * `node -r heapgap/preload`.
 *
 * Where jemalloc is not live, the process starts anew, once, with the same pid, arguments, environment,
 * standard input, output and error. Whatever was loaded before runs twice, so load this first. A process
 * that has open connections, has started others, or has heard its parent (`fork()`) is left as it is.
 * So is one that jemalloc cannot be had for; one warning (`HEAPGAP_PRELOAD`) then says why. In
 * worker threads, and with the environment variable `HEAPGAP_PRELOAD=0`, nothing happens.
 *
 * Where the environment variable `HEAPGAP_GOVERN` is `1`, or the options of `govern()` as a JSON object, a governor is
 * started too, on whatever allocator is live in the end. The program's own `govern()` replaces it. A value that
 * is neither gets one warning (`HEAPGAP_GOVERN`), and no governor; unset, empty and `0` ask for none.
 *
 * Where `HEAPGAP_PROFILE` is `1`, heap profiles name JavaScript functions (docs/profiling.md); in a process that is not started
 * anew only those that V8 has compiled, unless it was started with `--interpreted-frames-native-stack`. Another value than
 * that, empty and `0` gets one warning (`HEAPGAP_PROFILE`).
 *
 * A worker of node:cluster that starts anew emits `online` twice; where the primary loads this, its workers
 * inherit jemalloc, and it does not come to that.
 */
export {};
