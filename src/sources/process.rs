//! What the kernel counts for the process: memory from `/proc/self/status` and `/proc/self/statm`,
//! descriptors from `/proc/self/fd`, transfers from `/proc/self/io` (proc(5)).

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use serde::Serialize;

use super::file::{KernelFile, read_text, values};
use super::{Absent, Figure};

const STATUS: &str = "proc/self/status";
const STATM: &str = "proc/self/statm";
const FD: &str = "proc/self/fd";
const IO: &str = "proc/self/io";

/// As the kernel counts it, in bytes unless said otherwise.
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
    /// The number of open descriptors.
    pub fds: Figure,
}

impl Process {
    pub(crate) fn absent(reason: Absent) -> Self {
        let [rss, anon, file, shmem, peak, swap, threads, fds] = [Err(reason); 8];
        Self { rss, anon, file, shmem, peak, swap, threads, fds }
    }
}

/// What went through the kernel so far, in bytes, page cache or not. `Inspection.io` in `index.d.ts`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[allow(missing_docs, reason = "index.d.ts documents each for those who read them")]
pub struct Io {
    pub read: u64,
    pub written: u64,
}

/// The files of one process.
pub struct Source {
    status: KernelFile,
    statm: KernelFile,
    fd: PathBuf,
    io: PathBuf,
}

impl Source {
    /// `root` stands for `/`.
    pub fn new(root: &Path) -> Self {
        Self {
            status: KernelFile::new(root, STATUS),
            statm: KernelFile::new(root, STATM),
            fd: root.join(FD),
            io: root.join(IO),
        }
    }

    /// Another process.
    pub fn other(root: &Path, pid: u32) -> Self {
        let directory = root.join(format!("proc/{pid}"));
        Self {
            status: KernelFile::at(directory.join("status"), "proc/<pid>/status"),
            statm: KernelFile::at(directory.join("statm"), "proc/<pid>/statm"),
            fd: directory.join("fd"),
            io: directory.join("io"),
        }
    }

    /// This process.
    pub fn own() -> &'static Self {
        static OWN: OnceLock<Source> = OnceLock::new();
        OWN.get_or_init(|| Self::new(Path::new("/")))
    }

    /// All figures, of one instant.
    pub fn read(&self) -> Process {
        let fds = self.fds();
        let status = self.status.read(|text| Ok(parse_status(text, fds)));
        status.unwrap_or_else(|reason| Process { fds, ..Process::absent(reason) })
    }

    /// How many descriptors are open, where the kernel says so at once: from Linux 6.2 on it is the size
    /// of the directory. (A descriptor kept for this would cost a third, and would be counted too.)
    fn fds(&self) -> Figure {
        match fs::metadata(&self.fd).map_err(|error| absent(FD, error))?.len() {
            // A process that runs Node.js has descriptors.
            0 => Err(Absent::Because("this kernel does not count descriptors without listing them")),
            count => Ok(count),
        }
    }

    /// The same by listing them, on any kernel: for other threads than JavaScript's, because it takes
    /// longer the more there are.
    pub fn count_fds(&self) -> Figure {
        let entries = fs::read_dir(&self.fd).map_err(|error| absent(FD, error))?;
        // The listing has a descriptor of its own, which it lists.
        Ok((entries.count() as u64).saturating_sub(1))
    }

    /// What was read and written so far.
    pub fn io(&self) -> Result<Io, Absent> {
        parse_io(&read_text(&self.io, IO)?)
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
fn parse_status(text: &str, fds: Figure) -> Process {
    const NAMES: [&str; 7] = ["VmRSS", "RssAnon", "RssFile", "RssShmem", "VmHWM", "VmSwap", "Threads"];
    let values = values(text, b':', NAMES);
    let [rss, anon, file, shmem, peak, swap, threads] = std::array::from_fn(|index| {
        let value = values[index].ok_or(Absent::NoLine(STATUS, NAMES[index]))?;
        parse_value(value).ok_or(Absent::Malformed(STATUS))
    });
    Process { rss, anon, file, shmem, peak, swap, threads, fds }
}

/// `rchar` counts what system calls moved, `read_bytes` what storage had to fetch, for mappings too: each
/// misses what the other one has.
fn parse_io(text: &str) -> Result<Io, Absent> {
    const NAMES: [&str; 4] = ["rchar", "wchar", "read_bytes", "write_bytes"];
    let values = values(text, b':', NAMES);
    let value = |index: usize| {
        let value: &str = values[index].ok_or(Absent::NoLine(IO, NAMES[index]))?;
        value.trim().parse::<u64>().map_err(|_| Absent::Malformed(IO))
    };
    Ok(Io { read: value(0)?.max(value(2)?), written: value(1)?.max(value(3)?) })
}

fn absent(name: &'static str, error: std::io::Error) -> Absent {
    Absent::File(name, error.raw_os_error().unwrap_or(libc::EIO))
}

/// `12345 kB` in bytes; a number without a unit as it is.
pub(super) fn parse_value(value: &str) -> Option<u64> {
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

/// What a clock of processor time says: `CLOCK_PROCESS_CPUTIME_ID`, or `CLOCK_THREAD_CPUTIME_ID`.
pub fn processor_time(clock: libc::clockid_t) -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is writable; both clocks are always there on Linux (clock_gettime(2)).
    unsafe { libc::clock_gettime(clock, &mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
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
    use std::io::Read;

    const STATUS_NODE: &str = include_str!("../../__test__/fixtures/proc/status-node20");
    const STATUS_KERNEL_THREAD: &str = include_str!("../../__test__/fixtures/proc/status-kernel-thread");
    const STATM_NODE: &str = include_str!("../../__test__/fixtures/proc/statm-node20");

    #[test]
    fn a_node_process() {
        let process = parse_status(STATUS_NODE, Ok(23));
        let sum =
            [process.anon, process.file, process.shmem].iter().map(|part| part.unwrap_or(0)).sum::<u64>();
        assert_eq!(process.rss, Ok(sum));
        assert!(process.peak.ok() >= process.rss.ok());
        assert_eq!(process.swap, Ok(0));
        assert!(process.threads.is_ok_and(|threads| threads >= 7), "{process:?}");
        assert_eq!(process.fds, Ok(23));
    }

    #[test]
    fn lines_that_are_not_there_say_so() {
        let process = parse_status(STATUS_KERNEL_THREAD, Ok(0));
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
    fn descriptors_that_are_opened_count() {
        let many: Vec<_> = (0..500).filter_map(|_| fs::File::open("/").ok()).collect();
        assert_eq!(many.len(), 500);
        let (listed, said) = (Source::own().count_fds(), Source::own().read().fds);
        drop(many);
        let after = Source::own().count_fds();
        let (Ok(listed), Ok(after)) = (listed, after) else { unreachable!("{listed:?} {after:?}") };
        // Other tests open and close some meanwhile.
        assert!(listed.abs_diff(after + 500) < 100, "{listed} {after}");
        assert!(said.is_err() || said.is_ok_and(|said| said.abs_diff(listed) < 100), "{said:?} {listed}");
    }

    #[test]
    fn a_kernel_that_does_not_count_descriptors() {
        // As before Linux 6.2: a directory without a size.
        let directory = std::env::temp_dir().join(format!("heapgap-fd-{}", std::process::id()));
        let made = fs::create_dir_all(directory.join("proc/self"));
        let linked = std::os::unix::fs::symlink("/proc/self/task", directory.join(FD));
        let source = Source::new(&directory);
        let (said, listed) = (source.read().fds, source.count_fds());
        let _ = fs::remove_dir_all(&directory);
        assert!(made.is_ok() && linked.is_ok());
        assert!(matches!(said, Err(Absent::Because(_))), "{said:?}");
        assert!(listed.is_ok());
    }

    #[test]
    fn transfers() {
        let both = |text: &str| parse_io(text).map(|io| (io.read, io.written));
        let io = "rchar: 30\nwchar: 4\nsyscr: 7\nsyscw: 8\nread_bytes: 10\nwrite_bytes: 40\n\
                  cancelled_write_bytes: 90\n";
        assert_eq!(both(io), Ok((30, 40)));
        assert_eq!(both("rchar: 1\n"), Err(Absent::NoLine(IO, "read_bytes")));
        assert_eq!(both(&io.replace("40", "-")), Err(Absent::Malformed(IO)));
    }

    #[test]
    fn what_is_read_counts() {
        // In pieces: other tests watch what is allocated.
        let mut piece = vec![0; 64 << 10];
        let mut counts = || {
            let before = Source::own().io();
            let exe = fs::File::open("/proc/self/exe");
            assert!(exe.is_ok_and(|mut exe| (0..16).all(|_| exe.read_exact(&mut piece).is_ok())));
            let after = Source::own().io();
            matches!((before, after), (Ok(before), Ok(after)) if after.read >= before.read + (1 << 20))
        };
        // The kernel sums up over threads, of which some end meanwhile in other tests.
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
        let mut counted = false;
        while !counted && std::time::Instant::now() < deadline {
            counted = counts();
        }
        assert!(counted);
    }

    #[test]
    fn a_missing_file_is_named() {
        let nowhere = Source::new(Path::new("/nonexistent"));
        assert_eq!(nowhere.read().fds, Err(Absent::File(FD, libc::ENOENT)));
        assert_eq!(nowhere.count_fds(), Err(Absent::File(FD, libc::ENOENT)));
        assert_eq!(nowhere.io(), Err(Absent::File(IO, libc::ENOENT)));
        assert_eq!(nowhere.read().rss, Err(Absent::File(STATUS, libc::ENOENT)));
        assert_eq!(nowhere.rss(), Err(Absent::File(STATM, libc::ENOENT)));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in any::<String>()) {
            parse_status(&text, Ok(0));
            let _ = parse_statm(&text);
            let _ = parse_io(&text);
        }

        #[test]
        fn no_number_panics(name in "VmRSS|Threads|RssAnon", value in "[ \t]*[0-9]{0,25} ?(kB)?") {
            parse_status(&format!("{name}:{value}\n"), Ok(0));
            let _ = parse_statm(&value.replace(' ', "1 1 1 1 1 1 1 "));
        }
    }
}
