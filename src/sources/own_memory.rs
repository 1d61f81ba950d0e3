//! Reads this process's memory where it may be unmapped at any moment by another thread.

/// Copies memory at `address`, and answers how many bytes from the start of `into` could be read: up to
/// the first page that is not mapped or not readable, 0 where the kernel refuses the call (seccomp).
///
/// The kernel copies (process_vm_readv(2)), so that a bad address is an answer and not a SIGSEGV. What is
/// swapped out comes back in: ask `pagemap` first.
pub fn read(address: u64, into: &mut [u8]) -> usize {
    let local = libc::iovec { iov_base: into.as_mut_ptr().cast(), iov_len: into.len() };
    let remote = libc::iovec { iov_base: address as *mut libc::c_void, iov_len: into.len() };
    // SAFETY: `local` is `into`, writable for its length. The kernel checks `remote`, and only reads it.
    // The process's own id: the child of a fork reads its own memory, not its parent's.
    let copied = unsafe { libc::process_vm_readv(libc::getpid(), &local, 1, &remote, 1, 0) };
    usize::try_from(copied).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::process::page_size;

    #[test]
    fn what_is_mapped_is_copied() {
        let text = *b"a few bytes";
        let mut copy = [0; 11];
        assert_eq!(read(text.as_ptr() as u64, &mut copy), 11);
        assert_eq!(copy, text);
    }

    #[test]
    fn what_is_not_mapped_is_an_answer() {
        let mut into = [7; 64];
        for address in [0, 8, u64::MAX - 63, 1 << 63] {
            assert_eq!(read(address, &mut into), 0, "{address:x}");
        }
        assert_eq!(into, [7; 64]);
        assert_eq!(read(into.as_ptr() as u64, &mut []), 0);
    }

    #[test]
    fn a_hole_ends_the_copy() {
        let page = page_size() as usize;
        let anonymous = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: a fresh mapping of two pages, the second of which nobody may read; unmapped below.
        let start = unsafe {
            let start = libc::mmap(
                std::ptr::null_mut(),
                2 * page,
                libc::PROT_READ | libc::PROT_WRITE,
                anonymous,
                -1,
                0,
            );
            assert_ne!(start, libc::MAP_FAILED);
            start.cast::<u8>().write_bytes(3, page);
            assert_eq!(libc::mprotect(start.byte_add(page), page, libc::PROT_NONE), 0);
            start
        };
        let mut into = vec![0; 2 * page];
        let copied = read(start as u64 + 10, &mut into);
        // SAFETY: mapped above, and used by nobody else.
        unsafe { libc::munmap(start, 2 * page) };
        assert_eq!(copied, page - 10);
        assert!(into[..copied].iter().all(|&byte| byte == 3));
        assert_eq!(read(start as u64, &mut into[..1]), 0, "unmapped");
    }
}
