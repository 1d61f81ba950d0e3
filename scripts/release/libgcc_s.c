/*
 * Stands for libgcc_s.so.1 when libjemalloc.so.2 is linked with zig, which has no libgcc_s.
 *
 * jemalloc's heap profiler walks stacks with these two. Without them its configure script falls back
 * on __builtin_return_address, which crashes in code without frame pointers; and what zig offers
 * instead, LLVM's unwinder linked in, would be a second one in a process that has libgcc_s anyway:
 * Node.js is C++. Only the names count: at run time the system's library is found by its soname.
 */
void _Unwind_Backtrace(void) {}
void _Unwind_GetIP(void) {}
