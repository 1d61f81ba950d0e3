//! Which pages of this process are in physical memory, from `/proc/self/pagemap`
//! (`admin-guide/mm/pagemap.rst`): one 64-bit word per page. Which physical page it is takes privileges to
//! read; whether there is one does not.

use std::fs::File;
use std::io::ErrorKind;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::process::page_size;
use super::{Absent, Figure};

const PAGEMAP: &str = "proc/self/pagemap";
const OTHER: &str = "proc/<pid>/pagemap";
const WORD: usize = size_of::<u64>();
/// Bit 63: the page is in memory. (Not when it is swapped out, which is bit 62.)
const PRESENT: u64 = 1 << 63;

/// The open file.
pub struct Pagemap {
    file: File,
    /// What the file is called in notes.
    name: &'static str,
    page_size: u64,
    buffer: Vec<u8>,
}

impl Pagemap {
    /// `root` stands for `/`.
    pub fn open(root: &Path) -> Result<Self, Absent> {
        Self::at(&root.join(PAGEMAP), PAGEMAP)
    }

    /// That of another process.
    pub fn open_other(root: &Path, pid: u32) -> Result<Self, Absent> {
        Self::at(&root.join(format!("proc/{pid}/pagemap")), OTHER)
    }

    fn at(path: &Path, name: &'static str) -> Result<Self, Absent> {
        let file = File::open(path).map_err(|error| absent(name, error))?;
        Ok(Self { file, name, page_size: page_size(), buffer: vec![0; 32 * 1024] })
    }

    /// Calls `each` with the index of every page in `addresses`, counted from the one that has its start,
    /// and whether it is present. The kernel's zero page is: memory that was read and never written is
    /// present, and not in RSS.
    pub fn each(&mut self, addresses: Range<u64>, mut each: impl FnMut(u64, bool)) -> Result<(), Absent> {
        let first = addresses.start / self.page_size;
        let last = addresses.end.div_ceil(self.page_size).max(first);
        let mut page = first;
        while page < last {
            let want = (last - page).min((self.buffer.len() / WORD) as u64) as usize * WORD;
            let len = match self.file.read_at(&mut self.buffer[..want], page * WORD as u64) {
                Ok(len) => len / WORD,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(absent(self.name, error)),
            };
            if len == 0 {
                // The end of the address space.
                return Err(Absent::Malformed(self.name));
            }
            for word in self.buffer[..len * WORD].as_chunks().0 {
                each(page - first, u64::from_ne_bytes(*word) & PRESENT != 0);
                page += 1;
            }
        }
        Ok(())
    }

    /// How many bytes of `addresses` are in present pages.
    pub fn present(&mut self, addresses: Range<u64>) -> Figure {
        let mut pages = 0;
        self.each(addresses, |_, present| pages += u64::from(present))?;
        Ok(pages * self.page_size)
    }
}

fn absent(name: &'static str, error: std::io::Error) -> Absent {
    Absent::File(name, error.raw_os_error().unwrap_or(libc::EIO))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pages of fresh memory, of which `touched` were written to.
    fn pages(count: usize, touched: impl Fn(usize) -> bool, look: impl FnOnce(u64)) {
        let (page, flags) = (page_size() as usize, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // SAFETY: a fresh mapping of so many pages, written to inside of it and unmapped after use. Huge
        // pages, which would come by hundreds, are turned off for it.
        unsafe {
            let start = libc::mmap(
                std::ptr::null_mut(),
                count * page,
                libc::PROT_READ | libc::PROT_WRITE,
                flags,
                -1,
                0,
            );
            assert_ne!(start, libc::MAP_FAILED);
            libc::madvise(start, count * page, libc::MADV_NOHUGEPAGE);
            for index in (0..count).filter(|&index| touched(index)) {
                start.byte_add(index * page).cast::<u8>().write(1);
            }
            look(start as u64);
            libc::munmap(start, count * page);
        }
    }

    fn open() -> Pagemap {
        let Ok(pagemap) = Pagemap::open(Path::new("/")) else { unreachable!("no pagemap") };
        pagemap
    }

    #[test]
    fn touched_pages_are_present() {
        // More than one piece of the file.
        const COUNT: usize = 10_000;
        pages(
            COUNT,
            |index| index % 7 == 3,
            |start| {
                let mut present = Vec::new();
                let end = start + COUNT as u64 * page_size();
                let read = open().each(start..end, |index, is_present| present.push((index, is_present)));
                assert_eq!(read, Ok(()));
                let expected: Vec<_> = (0..COUNT as u64).map(|index| (index, index % 7 == 3)).collect();
                assert_eq!(present, expected);
                assert_eq!(open().present(start..end), Ok((COUNT as u64 - 3).div_ceil(7) * page_size()));
            },
        );
    }

    #[test]
    fn a_part_of_a_page_is_that_page() {
        pages(
            3,
            |index| index == 1,
            |start| {
                let page = page_size();
                let mut pagemap = open();
                assert_eq!(pagemap.present(start..start + page), Ok(0));
                assert_eq!(pagemap.present(start + page - 1..start + page + 1), Ok(page));
                assert_eq!(pagemap.present(start + 5..start + 5), Ok(0));
            },
        );
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let none = Pagemap::open(Path::new("/nonexistent")).map(|_| ());
        assert_eq!(none, Err(Absent::File(PAGEMAP, libc::ENOENT)));
        assert!(open().present(u64::MAX - 9000..u64::MAX).is_err());
    }
}
