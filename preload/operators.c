/*
 * C++'s operators new and delete, on the malloc of this library.
 *
 * jemalloc is built without C++, so that the library needs no libstdc++. But where a second
 * allocator is loaded that has these operators (Debian's libjemalloc2, mimalloc), a program would
 * take new from there and free from here, and crash. They complete the set.
 *
 * The names are those of the Itanium C++ ABI, section 5.1.5 (St11align_val_t is a size_t enum,
 * RKSt9nothrow_t a reference that is never read).
 */

#include <stddef.h>
#include <stdlib.h>

/* libstdc++'s, where the program has it; a weak reference is null where it does not. */
extern void _ZSt17__throw_bad_allocv(void) __attribute__((weak));         /* std::__throw_bad_alloc */
extern void (*_ZSt15get_new_handlerv(void))(void) __attribute__((weak));  /* std::get_new_handler */

#define EXPORT __attribute__((visibility("default")))

static void *allocate(size_t size, size_t alignment) {
	return alignment == 0 ? malloc(size) : aligned_alloc(alignment, size);
}

/* [new.delete.single]: call the new-handler until it helps or there is none. */
static void *insist(size_t size, size_t alignment) {
	for (;;) {
		void *block = allocate(size, alignment);
		if (block != NULL) {
			return block;
		}
		void (*handler)(void) = _ZSt15get_new_handlerv ? _ZSt15get_new_handlerv() : NULL;
		if (handler == NULL) {
			return NULL;
		}
		handler();
	}
}

static void *insist_or_throw(size_t size, size_t alignment) {
	void *block = insist(size, alignment);
	if (block == NULL) {
		if (_ZSt17__throw_bad_allocv) {
			_ZSt17__throw_bad_allocv();
		}
		abort();
	}
	return block;
}

#define NEW(name) \
	EXPORT void *name(size_t size) { return insist_or_throw(size, 0); } \
	EXPORT void *name##St11align_val_t(size_t size, size_t alignment) { \
		return insist_or_throw(size, alignment); \
	} \
	EXPORT void *name##RKSt9nothrow_t(size_t size, const void *tag) { \
		(void)tag; \
		return insist(size, 0); \
	} \
	EXPORT void *name##St11align_val_tRKSt9nothrow_t(size_t size, size_t alignment, const void *tag) { \
		(void)tag; \
		return insist(size, alignment); \
	}

/* The arguments after the block (size, alignment, tag) are not needed: free() knows its blocks. */
#define DELETE(name) \
	EXPORT void name(void *block) { free(block); } \
	EXPORT void name##RKSt9nothrow_t(void *block) { free(block); } \
	EXPORT void name##St11align_val_t(void *block) { free(block); } \
	EXPORT void name##St11align_val_tRKSt9nothrow_t(void *block) { free(block); } \
	EXPORT void name##m(void *block) { free(block); } \
	EXPORT void name##mSt11align_val_t(void *block) { free(block); }

NEW(_Znwm)
NEW(_Znam)
DELETE(_ZdlPv)
DELETE(_ZdaPv)
