//! Where figures come from: one file per origin, read without interpretation.
//!
//! A figure that cannot be had is an [`Absent`] with its reason, never a zero.

pub mod cgroup;
pub mod cpus;
pub mod detail;
pub mod elf;
pub mod file;
pub mod glibc;
pub mod jemalloc;
pub mod meminfo;
pub mod mimalloc;
pub mod mounts;
pub mod objects;
pub mod own_memory;
pub mod pagemap;
pub mod perf_map;
pub mod process;
pub mod refreshed;
pub mod regular;
pub mod smaps;
pub mod source_map;
pub mod tcmalloc;
pub mod thp;
pub mod threads;

use std::fmt;

/// A number from a source, or why there is none.
pub type Figure = Result<u64, Absent>;

/// Why a figure is missing. Cheap to copy and compare: it is made anew at every reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absent {
    /// The live allocator does not count this, whatever its version.
    NotCounted(&'static str),
    /// This build or version of jemalloc has no such key.
    NoKey(&'static str),
    /// heapgap does not read the live allocator.
    Unread(&'static str),
    /// The file could not be read; the errno.
    File(&'static str, i32),
    /// The file was read and did not hold what its format promises.
    Malformed(&'static str),
    /// The file was read and has no line of this name, as on older kernels.
    NoLine(&'static str, &'static str),
    /// There is no limit.
    Unlimited(&'static str),
    /// Another sentence.
    Because(&'static str),
}

impl Absent {
    /// A number that differs where the reason differs, for telling quickly that nothing changed.
    /// Texts count by their address: each is a constant of the code that gives the reason.
    pub fn signature(self) -> u64 {
        let at = |text: &'static str| text.as_ptr() as u64;
        match self {
            Absent::NotCounted(allocator) => at(allocator),
            Absent::NoKey(key) => at(key) ^ (1 << 60),
            Absent::Unread(allocator) => at(allocator) ^ (2 << 60),
            Absent::File(file, errno) => at(file) ^ (3 << 60) ^ ((errno as u64) << 48),
            Absent::Malformed(file) => at(file) ^ (4 << 60),
            Absent::NoLine(_, line) => at(line) ^ (5 << 60),
            Absent::Unlimited(file) => at(file) ^ (6 << 60),
            Absent::Because(reason) => at(reason) ^ (7 << 60),
        }
    }
}

impl fmt::Display for Absent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Absent::NotCounted(allocator) => write!(f, "{allocator} does not count this"),
            Absent::NoKey(key) => write!(f, "this jemalloc has no `{key}`"),
            Absent::Unread("unknown") => f.write_str("the live allocator is not known"),
            Absent::Unread(allocator) => write!(f, "heapgap does not read {allocator}"),
            Absent::File(file, errno) => {
                write!(f, "cannot read {file}: {}", std::io::Error::from_raw_os_error(*errno))
            }
            Absent::Malformed(file) => write!(f, "{file} is not in the expected format"),
            Absent::NoLine(file, line) => write!(f, "{file} has no line `{line}` on this kernel"),
            Absent::Unlimited(file) => write!(f, "no limit is set ({file})"),
            Absent::Because(reason) => f.write_str(reason),
        }
    }
}
