//! The process's resident memory, from `/proc/self/status` and `/proc/self/statm` (proc(5)).

use std::path::Path;
use std::sync::OnceLock;

use super::file::{KernelFile, values};
use super::{Absent, Figure};

const STATUS: &str = "proc/self/status";
const STATM: &str = "proc/self/statm";

/// The process's memory as the kernel counts it, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process {
    /// Resident set size, `VmRSS`: the sum of the next three.
    pub rss: Figure,
    /// Resident anonymous memory, `RssAnon`: heaps, stacks, allocators.
    pub anon: Figure,
    /// Resident pages of mapped files, `RssFile`.
    pub file: Figure,
    /// Resident shared memory, `RssShmem`.
    pub shmem: Figure,
    /// The highest RSS so far, `VmHWM`.
    pub peak: Figure,
    /// Anonymous memory that was swapped out, `VmSwap`.
    pub swap: Figure,
    /// The number of threads, `Threads`.
    pub threads: Figure,
}

impl Process {
    pub(crate) fn absent(reason: Absent) -> Self {
        let [rss, anon, file, shmem, peak, swap, threads] = [Err(reason); 7];
        Self { rss, anon, file, shmem, peak, swap, threads }
    }
}

/// The two files of one process.
pub struct Source {
    status: KernelFile,
    statm: KernelFile,
}

impl Source {
    /// `root` stands for `/`.
    pub fn new(root: &Path) -> Self {
        Self { status: KernelFile::new(root, STATUS), statm: KernelFile::new(root, STATM) }
    }

    /// This process.
    pub fn own() -> &'static Self {
        static OWN: OnceLock<Source> = OnceLock::new();
        OWN.get_or_init(|| Self::new(Path::new("/")))
    }

    /// All figures, of one instant.
    pub fn read(&self) -> Process {
        self.status.read(|text| Ok(parse_status(text))).unwrap_or_else(Process::absent)
    }

    /// RSS alone, from the file that is cheapest to make.
    pub fn rss(&self) -> Figure {
        self.statm.read(|text| Ok(parse_statm(text)?.resident))
    }

    /// The size of all private writable mappings, resident or not.
    pub fn data(&self) -> Figure {
        self.statm.read(|text| Ok(parse_statm(text)?.data))
    }
}

/// Reads lines such as `VmRSS:\t   12345 kB` and `Threads:\t7`.
fn parse_status(text: &str) -> Process {
    const NAMES: [&str; 7] = ["VmRSS", "RssAnon", "RssFile", "RssShmem", "VmHWM", "VmSwap", "Threads"];
    let values = values(text, b':', NAMES);
    let [rss, anon, file, shmem, peak, swap, threads] = std::array::from_fn(|index| {
        let value = values[index].ok_or(Absent::NoLine(STATUS, NAMES[index]))?;
        parse_value(value).ok_or(Absent::Malformed(STATUS))
    });
    Process { rss, anon, file, shmem, peak, swap, threads }
}

fn parse_value(value: &str) -> Option<u64> {
    let mut words = value.split_ascii_whitespace();
    let number: u64 = words.next()?.parse().ok()?;
    match words.next() {
        // The kernel writes "kB" and means KiB (proc(5)).
        Some("kB") => number.checked_mul(1024),
        None => Some(number),
        Some(_) => None,
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Statm {
    resident: u64,
    data: u64,
}

/// Seven page counts: size resident shared text lib data dt (proc(5)).
fn parse_statm(text: &str) -> Result<Statm, Absent> {
    let malformed = Absent::Malformed(STATM);
    let mut pages = [0u64; 7];
    let mut words = text.split_ascii_whitespace();
    for page in &mut pages {
        *page = words.next().and_then(|word| word.parse().ok()).ok_or(malformed)?;
    }
    let bytes = |count: u64| count.checked_mul(page_size()).ok_or(malformed);
    Ok(Statm { resident: bytes(pages[1])?, data: bytes(pages[5])? })
}

/// The size of a page, in bytes.
pub fn page_size() -> u64 {
    static PAGE_SIZE: OnceLock<u64> = OnceLock::new();
    // SAFETY: sysconf(3) takes no pointer; `_SC_PAGESIZE` cannot fail on Linux.
    *PAGE_SIZE.get_or_init(|| unsafe { libc::sysconf(libc::_SC_PAGESIZE) }.max(1) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const STATUS_NODE: &str = include_str!("../../__test__/fixtures/proc/status-node20");
    const STATUS_KERNEL_THREAD: &str = include_str!("../../__test__/fixtures/proc/status-kernel-thread");
    const STATM_NODE: &str = include_str!("../../__test__/fixtures/proc/statm-node20");

    #[test]
    fn a_node_process() {
        let process = parse_status(STATUS_NODE);
        let sum =
            [process.anon, process.file, process.shmem].iter().map(|part| part.unwrap_or(0)).sum::<u64>();
        assert_eq!(process.rss, Ok(sum));
        assert!(process.peak.ok() >= process.rss.ok());
        assert_eq!(process.swap, Ok(0));
        assert!(process.threads.is_ok_and(|threads| threads >= 7), "{process:?}");
    }

    #[test]
    fn lines_that_are_not_there_say_so() {
        let process = parse_status(STATUS_KERNEL_THREAD);
        assert_eq!(process.rss, Err(Absent::NoLine(STATUS, "VmRSS")));
        assert_eq!(process.threads, Ok(1));
    }

    #[test]
    fn a_line_in_another_unit_is_not_guessed_at() {
        assert_eq!(parse_value("\t 12 kB"), Some(12 * 1024));
        assert_eq!(parse_value("\t 12"), Some(12));
        assert_eq!(parse_value("\t 12 MB"), None);
        assert_eq!(parse_value("\t18446744073709551615 kB"), None);
        assert_eq!(parse_value(""), None);
    }

    #[test]
    fn statm() {
        let pages: Vec<u64> = STATM_NODE.split_whitespace().map(|word| word.parse().unwrap_or(0)).collect();
        let statm = Statm { resident: pages[1] * page_size(), data: pages[5] * page_size() };
        assert_eq!(parse_statm(STATM_NODE), Ok(statm));
        assert_eq!(parse_statm("1 2 3"), Err(Absent::Malformed(STATM)));
        assert_eq!(parse_statm(""), Err(Absent::Malformed(STATM)));
    }

    #[test]
    fn own_files_agree() {
        let own = Source::own();
        let (status, statm) = (own.read().rss, own.rss());
        let (Ok(status), Ok(statm)) = (status, statm) else { unreachable!("{status:?} {statm:?}") };
        assert!(status.abs_diff(statm) < 16 << 20, "{status} {statm}");
    }

    #[test]
    fn a_missing_file_is_named() {
        let nowhere = Source::new(Path::new("/nonexistent"));
        assert_eq!(nowhere.read().rss, Err(Absent::File(STATUS, libc::ENOENT)));
        assert_eq!(nowhere.rss(), Err(Absent::File(STATM, libc::ENOENT)));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in any::<String>()) {
            parse_status(&text);
            let _ = parse_statm(&text);
        }

        #[test]
        fn no_number_panics(name in "VmRSS|Threads|RssAnon", value in "[ \t]*[0-9]{0,25} ?(kB)?") {
            parse_status(&format!("{name}:{value}\n"));
            let _ = parse_statm(&value.replace(' ', "1 1 1 1 1 1 1 "));
        }
    }
}
