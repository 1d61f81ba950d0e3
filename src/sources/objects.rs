//! Where the program and its libraries are loaded, from the dynamic linker (dl_iterate_phdr(3)).

use std::ffi::{c_int, c_void};
use std::ops::Range;

/// The loaded segments of every object, zeroed variables (`.bss`) included, which no file backs. Not
/// rounded to pages.
pub fn segments() -> Vec<Range<u64>> {
    let mut segments: Vec<Range<u64>> = Vec::new();
    // SAFETY: `collect` is called before this returns, and gets the vector that it expects.
    unsafe { libc::dl_iterate_phdr(Some(collect), (&raw mut segments).cast()) };
    segments
}

unsafe extern "C" fn collect(info: *mut libc::dl_phdr_info, _: usize, segments: *mut c_void) -> c_int {
    // SAFETY: the linker gives a valid description, and `segments` is that of the function above.
    let (info, segments) = unsafe { (&*info, &mut *segments.cast::<Vec<Range<u64>>>()) };
    if info.dlpi_phdr.is_null() {
        return 0;
    }
    // SAFETY: so many program headers are there (dl_iterate_phdr(3)).
    let headers = unsafe { std::slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum)) };
    for header in headers.iter().filter(|header| header.p_type == libc::PT_LOAD) {
        // The sum wraps where an object says so: a base may stand for a negative offset (elf(5)).
        let start = info.dlpi_addr.wrapping_add(header.p_vaddr);
        segments.push(start..start.saturating_add(header.p_memsz));
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    static VARIABLE: u64 = 1;

    #[test]
    fn own_code_and_variables_are_in_them() {
        static mut ZEROES: [u8; 100_000] = [0; 100_000];
        let segments = segments();
        let is_in = |address: u64| segments.iter().any(|segment| segment.contains(&address));
        assert!(is_in(segments_address()));
        assert!(is_in(&raw const VARIABLE as u64));
        assert!(is_in(&raw const ZEROES as u64 + 99_999));
        let allocated = Box::new(0);
        assert!(!is_in(&raw const *allocated as u64));
        // libc is another object.
        assert!(is_in(libc::getenv as *const () as u64));
    }

    fn segments_address() -> u64 {
        segments as *const () as u64
    }
}
