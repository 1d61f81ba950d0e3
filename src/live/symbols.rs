//! The only place that looks symbols up.

use std::ffi::{CStr, c_char, c_void};
use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::sync::OnceLock;

/// The process's global scope: the executable, its dependencies and what was preloaded.
///
/// `RTLD_DEFAULT` would also search this addon's own scope and find our forwarders; `RTLD_NEXT`
/// would skip a preloaded allocator. dlopen(3): a null filename means the main program.
struct Scope(NonNull<c_void>);

// SAFETY: a dlopen handle may be used from any thread (POSIX, dlsym).
unsafe impl Send for Scope {}
// SAFETY: as above.
unsafe impl Sync for Scope {}

fn scope() -> Option<&'static Scope> {
    static SCOPE: OnceLock<Option<Scope>> = OnceLock::new();
    SCOPE
        .get_or_init(|| {
            // SAFETY: a null filename opens nothing; dlopen(3).
            NonNull::new(unsafe { libc::dlopen(std::ptr::null(), libc::RTLD_LAZY) }).map(Scope)
        })
        .as_ref()
}

/// The address of `name` in the process's global scope.
pub fn find(name: &CStr) -> Option<NonNull<c_void>> {
    let scope = scope()?;
    // SAFETY: the handle is never closed and `name` is null-terminated; dlsym(3).
    NonNull::new(unsafe { libc::dlsym(scope.0.as_ptr(), name.as_ptr()) })
}

/// The function `name`, as a function pointer of type `F`.
///
/// # Safety
/// `F` is an `extern "C"` function pointer type that matches the C declaration of `name`.
pub unsafe fn function<F: Copy>(name: &CStr) -> Option<F> {
    const { assert!(size_of::<F>() == size_of::<*mut c_void>()) };
    let address = find(name)?;
    // SAFETY: the caller vouches for the type; POSIX (dlsym) lets an object pointer that dlsym
    // returned be converted to a function pointer.
    Some(unsafe { std::mem::transmute_copy(&address) })
}

/// The file that holds `address`, as the dynamic linker names it.
pub fn library_of(address: NonNull<c_void>) -> Option<String> {
    let mut info = MaybeUninit::<libc::Dl_info>::zeroed();
    // SAFETY: `info` is writable; dladdr(3) answers 0 for an address it does not know.
    let found = unsafe { libc::dladdr(address.as_ptr(), info.as_mut_ptr()) } != 0;
    // SAFETY: zeroed is a valid Dl_info (null pointers), and dladdr has filled it when found.
    let name = unsafe { info.assume_init() }.dli_fname;
    if found { string_at(name) } else { None }
}

/// Copies a C string that a library handed out; `None` for a null pointer.
pub fn string_at(pointer: *const c_char) -> Option<String> {
    if pointer.is_null() {
        return None;
    }
    // SAFETY: not null; callers pass null-terminated strings that live as long as the library that
    // holds them, and no library is unloaded meanwhile.
    unsafe { CStr::from_ptr(pointer) }.to_str().ok().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_libc_and_names_its_file() {
        let address = find(c"malloc_usable_size");
        let library = address.and_then(library_of).unwrap_or_default();
        assert!(library.contains("libc"), "malloc_usable_size is in {library:?}");
    }

    #[test]
    fn our_own_forwarders_are_not_in_the_global_scope() {
        assert_eq!(find(c"_rjem_mallctl"), None);
        assert_eq!(find(c"no_such_symbol_anywhere"), None);
    }
}
