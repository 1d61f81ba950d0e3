//! The process's memory mappings, from `/proc/self/smaps` (proc(5), `filesystems/proc.rst`), and their
//! sums, from `/proc/self/smaps_rollup`.
//!
//! Both have the kernel look at every page table: for other threads than JavaScript's.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use super::file::{read_text, values};
use super::process::parse_value;
use super::{Absent, Figure};

const SMAPS: &str = "proc/self/smaps";
const OTHER: &str = "proc/<pid>/smaps";
const ROLLUP: &str = "proc/self/smaps_rollup";

/// One mapping. Bytes, but for what is said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mapping {
    /// Its first address.
    pub start: u64,
    /// The first address behind it.
    pub end: u64,
    /// What may be done there: `r`, `w`, `x`.
    pub read: bool,
    /// See `read`.
    pub write: bool,
    /// See `read`.
    pub execute: bool,
    /// `s`: what is written reaches the file, or the others who map it.
    pub shared: bool,
    /// Major and minor number of the file's device.
    pub device: (u32, u32),
    /// The file's number there; 0 where no file is mapped.
    pub inode: u64,
    /// The file as the kernel writes it (a newline is `\012`, a file that is gone ends in ` (deleted)`), or
    /// a name in brackets, such as `[heap]`.
    pub path: Option<String>,
    /// Resident.
    pub rss: u64,
    /// `rss`, each page divided by the number of those who share it.
    pub pss: u64,
    /// Of `rss`: private pages that no file backs.
    pub anonymous: u64,
    /// Of `rss`: the kernel may take these (`MADV_FREE`); kernels from 4.12.
    pub lazy_free: u64,
    /// Of `rss`: in transparent huge pages, `AnonHugePages`.
    pub huge: u64,
    /// Swapped out.
    pub swap: u64,
    /// `VmFlags`; `None` where the kernel does not write them.
    pub flags: Option<Flags>,
}

/// What heapgap looks for in `VmFlags`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// `dc`: a child does not get it (madvise(2), `MADV_DONTFORK`).
    pub dont_copy: bool,
    /// `nh`: no huge pages here (`MADV_NOHUGEPAGE`; from Linux 6.7 `MAP_STACK` as well).
    pub no_huge_page: bool,
    /// `nr`: takes no room that the kernel has promised (mmap(2), `MAP_NORESERVE`).
    pub no_reserve: bool,
}

impl Mapping {
    /// Address space.
    pub fn size(&self) -> u64 {
        self.end - self.start
    }

    /// `MADV_DONTFORK`; see [`Flags`].
    pub fn dont_copy(&self) -> bool {
        self.flags.is_some_and(|flags| flags.dont_copy)
    }

    /// See [`Flags`].
    pub fn no_huge_page(&self) -> bool {
        self.flags.is_some_and(|flags| flags.no_huge_page)
    }

    /// See [`Flags`].
    pub fn no_reserve(&self) -> bool {
        self.flags.is_some_and(|flags| flags.no_reserve)
    }

    /// Cuts it off at `end`. Of its figures as much stays as fits.
    fn end_at(&mut self, end: u64) {
        self.end = end;
        let size = self.size();
        let Self { rss, pss, anonymous, lazy_free, huge, swap, .. } = self;
        for figure in [rss, pss, anonymous, lazy_free, huge, swap] {
            *figure = size.min(*figure);
        }
    }

    /// Nothing may be done there: a guard, or address space kept for later.
    pub fn is_closed(&self) -> bool {
        !self.read && !self.write && !self.execute
    }
}

/// Sums over all mappings, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "as the fields of `Mapping`")]
pub struct Rollup {
    pub rss: Figure,
    pub pss: Figure,
    pub anonymous: Figure,
    pub lazy_free: Figure,
    pub huge: Figure,
    pub swap: Figure,
}

impl Rollup {
    /// For a kernel that has none.
    pub fn absent(reason: Absent) -> Self {
        let [rss, pss, anonymous, lazy_free, huge, swap] = [Err(reason); 6];
        Self { rss, pss, anonymous, lazy_free, huge, swap }
    }
}

/// The mappings of this process, in ascending order. `root` stands for `/`.
///
/// The kernel hands out a page of text at a time and lets others change mappings in between: what is
/// mapped or touched meanwhile may be missed.
pub fn read(root: &Path) -> Result<Vec<Mapping>, Absent> {
    read_file(&root.join(SMAPS), SMAPS)
}

/// The mappings of another process.
pub fn read_other(root: &Path, pid: u32) -> Result<Vec<Mapping>, Absent> {
    read_file(&root.join(format!("proc/{pid}/smaps")), OTHER)
}

fn read_file(path: &Path, name: &'static str) -> Result<Vec<Mapping>, Absent> {
    let absent = |error: std::io::Error| Absent::File(name, error.raw_os_error().unwrap_or(libc::EIO));
    let mut file = File::open(path).map_err(absent)?;
    let mut parser = Parser { name, ..Parser::default() };
    // A line is cut wherever the buffer ends; what is left of it is moved to the front.
    let mut buffer = vec![0; 64 * 1024];
    let mut kept = 0;
    loop {
        if kept == buffer.len() {
            buffer.resize(2 * kept, 0);
        }
        let len = match file.read(&mut buffer[kept..]) {
            Ok(0) => break,
            Ok(len) => kept + len,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(absent(error)),
        };
        let whole = buffer[..len].iter().rposition(|&byte| byte == b'\n').map_or(0, |last| last + 1);
        parser.lines(&String::from_utf8_lossy(&buffer[..whole]))?;
        buffer.copy_within(whole..len, 0);
        kept = len - whole;
    }
    parser.lines(&String::from_utf8_lossy(&buffer[..kept]))?;
    parser.end()
}

/// The sums alone, which are cheaper. `root` stands for `/`.
pub fn rollup(root: &Path) -> Result<Rollup, Absent> {
    Ok(parse_rollup(&read_text(&root.join(ROLLUP), ROLLUP)?))
}

/// A whole smaps.
#[cfg(test)]
pub fn parse(text: &str) -> Result<Vec<Mapping>, Absent> {
    let mut parser = Parser::default();
    parser.lines(text)?;
    parser.end()
}

struct Parser {
    /// What the file is called in notes.
    name: &'static str,
    mappings: Vec<Mapping>,
    /// Whether the last of them has its `Rss` yet.
    counted: bool,
}

impl Default for Parser {
    fn default() -> Self {
        Self { name: SMAPS, mappings: Vec::new(), counted: false }
    }
}

impl Parser {
    fn lines(&mut self, text: &str) -> Result<(), Absent> {
        text.lines().try_for_each(|line| self.line(line).ok_or(Absent::Malformed(self.name)))
    }

    /// A mapping starts with its addresses in lower case, and what follows is `Name: value`.
    fn line(&mut self, line: &str) -> Option<()> {
        if !line.starts_with(|first: char| first.is_ascii_uppercase()) {
            let mapping = header(line)?.mapping();
            let follows = self.mappings.last().is_none_or(|last| self.counted && last.end < mapping.end);
            self.make_room(&mapping);
            self.mappings.push(mapping);
            self.counted = false;
            return follows.then_some(());
        }
        let mapping = self.mappings.last_mut()?;
        let (name, value) = line.split_once(':')?;
        let figure = match name {
            "Rss" => &mut mapping.rss,
            "Pss" => &mut mapping.pss,
            "Anonymous" => &mut mapping.anonymous,
            "LazyFree" => &mut mapping.lazy_free,
            "AnonHugePages" => &mut mapping.huge,
            "Swap" => &mut mapping.swap,
            "VmFlags" => {
                mapping.flags = Some(flags(value));
                return Some(());
            }
            _ => return Some(()),
        };
        *figure = parse_value(value)?;
        self.counted |= name == "Rss";
        // No more is resident than there is room; sums of such figures cannot overflow.
        (*figure <= mapping.size()).then_some(())
    }

    /// After each page of text the kernel goes on with the first mapping that ends behind the last one: the
    /// same again, should it have grown meanwhile, or one that has taken a part of it. What it says later
    /// counts.
    fn make_room(&mut self, next: &Mapping) {
        while self.mappings.last().is_some_and(|last| last.start >= next.start) {
            self.mappings.pop();
        }
        if let Some(last) = self.mappings.last_mut().filter(|last| last.end > next.start) {
            last.end_at(next.start);
        }
    }

    fn end(self) -> Result<Vec<Mapping>, Absent> {
        // A process has mappings; and each of them its figures.
        if self.counted { Ok(self.mappings) } else { Err(Absent::Malformed(self.name)) }
    }
}

/// A line of `/proc/<pid>/maps`, and the first of a mapping in `smaps`.
pub struct Header<'a> {
    pub start: u64,
    pub end: u64,
    /// Such as `rw-p`.
    pub permissions: [u8; 4],
    /// Where in its file it starts.
    pub offset: u64,
    pub device: (u32, u32),
    pub inode: u64,
    /// A file, as the kernel writes it, or in brackets what the memory is for.
    pub path: Option<&'a str>,
}

impl Header<'_> {
    fn mapping(&self) -> Mapping {
        let [read, write, execute, shared] = self.permissions;
        Mapping {
            start: self.start,
            end: self.end,
            read: read == b'r',
            write: write == b'w',
            execute: execute == b'x',
            shared: shared == b's',
            device: self.device,
            inode: self.inode,
            path: self.path.map(str::to_owned),
            ..Mapping::default()
        }
    }
}

/// `7f0e90000000-7f0e90021000 rw-p 00000000 00:00 0                          [heap]`
pub fn header(line: &str) -> Option<Header<'_>> {
    let mut words = line.splitn(6, ' ');
    let (start, end) = words.next()?.split_once('-')?;
    let hex = |text| u64::from_str_radix(text, 16).ok();
    let (start, end) = (hex(start)?, hex(end)?);
    let permissions = words.next()?.as_bytes();
    let offset = hex(words.next()?)?;
    let (major, minor) = words.next()?.split_once(':')?;
    let inode = words.next()?.parse().ok()?;
    // The path is padded to a column of its own.
    let path = words.next().map(|path| path.trim_start_matches(' ')).filter(|path| !path.is_empty());
    let permissions = permissions.try_into().ok()?;
    let device = (u32::from_str_radix(major, 16).unwrap_or(0), u32::from_str_radix(minor, 16).unwrap_or(0));
    (start < end).then_some(Header { start, end, permissions, offset, device, inode, path })
}

fn flags(words: &str) -> Flags {
    let mut flags = Flags::default();
    for word in words.split_ascii_whitespace() {
        match word {
            "dc" => flags.dont_copy = true,
            "nh" => flags.no_huge_page = true,
            "nr" => flags.no_reserve = true,
            _ => {}
        }
    }
    flags
}

fn parse_rollup(text: &str) -> Rollup {
    const NAMES: [&str; 6] = ["Rss", "Pss", "Anonymous", "LazyFree", "AnonHugePages", "Swap"];
    let values = values(text, b':', NAMES);
    let [rss, pss, anonymous, lazy_free, huge, swap] = std::array::from_fn(|index| {
        let value = values[index].ok_or(Absent::NoLine(ROLLUP, NAMES[index]))?;
        parse_value(value).ok_or(Absent::Malformed(ROLLUP))
    });
    Rollup { rss, pss, anonymous, lazy_free, huge, swap }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::fs;

    const NODE_20: &str = include_str!("../../__test__/fixtures/smaps/node20-glibc");
    const NODE_24_JEMALLOC: &str = include_str!("../../__test__/fixtures/smaps/node24-jemalloc");
    const LINUX_4_18: &str = include_str!("../../__test__/fixtures/smaps/linux-4.18");
    const NODE_20_ROLLUP: &str = include_str!("../../__test__/fixtures/smaps/node20-glibc.rollup");
    const NODE_24_ROLLUP: &str = include_str!("../../__test__/fixtures/smaps/node24-jemalloc.rollup");

    fn mappings(text: &str) -> Vec<Mapping> {
        parse(text).unwrap_or_default()
    }

    fn sum(mappings: &[Mapping], of: fn(&Mapping) -> u64) -> u64 {
        mappings.iter().map(of).sum()
    }

    #[test]
    fn sums_are_those_of_the_kernel() {
        for (smaps, rollup) in [(NODE_20, NODE_20_ROLLUP), (NODE_24_JEMALLOC, NODE_24_ROLLUP)] {
            let (mappings, rollup) = (mappings(smaps), parse_rollup(rollup));
            assert_eq!(Ok(sum(&mappings, |it| it.rss)), rollup.rss);
            assert_eq!(Ok(sum(&mappings, |it| it.anonymous)), rollup.anonymous);
            assert_eq!(Ok(sum(&mappings, |it| it.huge)), rollup.huge);
            assert_eq!(Ok(sum(&mappings, |it| it.lazy_free)), rollup.lazy_free);
            assert_eq!(Ok(sum(&mappings, |it| it.swap)), rollup.swap);
            // Each line is rounded down to whole KiB.
            let pss = sum(&mappings, |it| it.pss);
            let rounding = 1024 * mappings.len() as u64;
            assert!(
                rollup.pss.is_ok_and(|exact| (pss..=pss + rounding).contains(&exact)),
                "{pss} {rollup:?}"
            );
        }
    }

    #[test]
    fn a_node_process() {
        let mappings = mappings(NODE_20);
        assert_eq!(mappings.len(), NODE_20.lines().filter(|line| line.starts_with("Size:")).count());
        let program = &mappings[2];
        assert_eq!((program.start, program.end), (0xb72000, 0x25fe000));
        assert_eq!(program.path.as_deref(), Some("/usr/local/bin/node"));
        assert!(program.read && program.execute && !program.write && !program.shared);
        assert!(program.inode > 0 && program.device != (0, 0));
        assert!(mappings.iter().any(|it| it.dont_copy() && it.path.is_none() && it.write));
        assert!(mappings.iter().any(|it| it.no_huge_page() && it.is_closed()));
        assert!(mappings.iter().any(|it| it.path.as_deref() == Some("[heap]")));
    }

    #[test]
    fn an_older_kernel() {
        let mappings = mappings(LINUX_4_18);
        assert!(mappings.len() > 100);
        assert!(mappings.iter().all(|it| it.flags.is_some() && !it.no_huge_page()));
        assert_eq!(Ok(sum(&mappings, |it| it.rss)), parse_rollup(NODE_20_ROLLUP).rss);
        let without: String = NODE_20
            .lines()
            .filter(|line| !line.starts_with("VmFlags"))
            .map(|line| format!("{line}\n"))
            .collect();
        assert!(parse(&without).is_ok_and(|mappings| mappings.iter().all(|it| it.flags.is_none())));
    }

    #[test]
    fn paths_are_as_the_kernel_writes_them() {
        let long = "a b".repeat(1400);
        for path in
            ["/a b/c d (deleted)", "/line\\012break", "/SYSV00000000 (deleted)", "[anon: glibc: x y]", &long]
        {
            let text = format!("1000-2000 rw-s 00000000 00:01 7          {path}\nRss:  4 kB\n");
            assert_eq!(mappings(&text)[0].path.as_deref(), Some(path));
        }
        assert_eq!(mappings("1000-2000 rw-p 00000000 00:00 0 \nRss: 0 kB\n")[0].path, None);
        assert_eq!(mappings("1000-2000 rw-p 00000000 00:00 0\nRss: 0 kB\n")[0].path, None);
    }

    /// As Linux 6.18 did where threads' arenas grew.
    #[test]
    fn a_mapping_that_changes_while_it_is_listed_counts_once() {
        let line = |range: &str, kib: u32| format!("{range} rw-p 00000000 00:00 0\nRss: {kib} kB\n");
        let read = |lines: &[String]| -> Vec<(u64, u64, u64)> {
            mappings(&lines.concat()).iter().map(|it| (it.start, it.end, it.rss >> 10)).collect()
        };
        let [low, high] = [line("1000-2000", 4), line("f000-10000", 4)];
        let grown = read(&[low.clone(), line("3000-5000", 8), line("3000-9000", 24), high.clone()]);
        assert_eq!(grown, [(0x1000, 0x2000, 4), (0x3000, 0x9000, 24), (0xf000, 0x10000, 4)]);
        let joined = read(&[low.clone(), line("3000-4000", 4), line("5000-6000", 4), line("2000-7000", 20)]);
        assert_eq!(joined, [(0x1000, 0x2000, 4), (0x2000, 0x7000, 20)]);
        let shrunk = read(&[low, line("3000-9000", 20), line("5000-b000", 0), high]);
        assert_eq!(
            shrunk,
            [(0x1000, 0x2000, 4), (0x3000, 0x5000, 8), (0x5000, 0xb000, 0), (0xf000, 0x10000, 4)]
        );
    }

    #[test]
    fn what_is_not_smaps_is_malformed() {
        let malformed = Err(Absent::Malformed(SMAPS));
        let header = "1000-2000 rw-p 00000000 00:00 0\n";
        for text in [
            "",
            "Rss: 4 kB\n",
            header,
            &format!("{header}{header}"),
            &format!("{header}Rss: 4 kB\n500-600 rw-p 00000000 00:00 0\nRss: 0 kB\n"),
            &format!("{header}Rss: 8 kB\n"),
            &format!("{header}Rss: 4\n Rss\n"),
            &format!("{header}Rss: 4 MB\n"),
            "2000-1000 rw-p 00000000 00:00 0\nRss: 0 kB\n",
            "1000-2000 rw 00000000 00:00 0\nRss: 0 kB\n",
            "1000-2000 rw-p\nRss: 0 kB\n",
            "x-2000 rw-p 00000000 00:00 0\nRss: 0 kB\n",
        ] {
            assert_eq!(parse(text), malformed, "{text}");
        }
    }

    /// Through a file, in pieces (few enough not to disturb the tests that watch what is allocated): many mappings with long names, and one name longer than the buffer.
    #[test]
    fn a_large_file_is_read_in_pieces() {
        let mut text = String::new();
        for index in 0..1_200u64 {
            let (start, end) = (index << 16, (index << 16) + 0x4000);
            let path = "with a space ".repeat(if index == 600 { 9_000 } else { 5 });
            text += &format!(
                "{start:08x}-{end:08x} r--p 00000000 fe:00 {index} /{path}\nRss:    {:>5} kB\n",
                index % 16
            );
            text += "VmFlags: rd mr mw me dc \n";
        }
        let root = std::env::temp_dir().join(format!("heapgap-smaps-{}", std::process::id()));
        let written =
            fs::create_dir_all(root.join("proc/self")).and_then(|()| fs::write(root.join(SMAPS), &text));
        let read = read(&root);
        let _ = fs::remove_dir_all(&root);
        assert!(written.is_ok());
        let mappings = read.unwrap_or_default();
        assert_eq!(mappings.len(), 1_200);
        let expected: u64 = (0..1_200).map(|index| index % 16 * 1024).sum();
        assert_eq!(sum(&mappings, |it| it.rss), expected);
        assert!(mappings.iter().all(Mapping::dont_copy));
        assert_eq!(mappings[600].path.as_ref().map(String::len), Some(1 + 9_000 * 13));
    }

    #[test]
    fn own_sums_agree() {
        let root = Path::new("/");
        let (mappings, rollup) = (read(root).unwrap_or_default(), rollup(root));
        let total = sum(&mappings, |it| it.rss);
        assert!(
            rollup.is_ok_and(|it| it.rss.is_ok_and(|rss| rss.abs_diff(total) < 32 << 20)),
            "{total} {rollup:?}"
        );
    }

    #[test]
    fn what_is_missing_is_named() {
        let nowhere = Path::new("/nonexistent");
        assert_eq!(read(nowhere), Err(Absent::File(SMAPS, libc::ENOENT)));
        assert_eq!(rollup(nowhere), Err(Absent::File(ROLLUP, libc::ENOENT)));
        let old = parse_rollup("00400000-7fff0000 ---p 00000000 00:00 0 [rollup]\nRss: 8 kB\nSwap: x kB\n");
        assert_eq!(old.rss, Ok(8192));
        assert_eq!(old.lazy_free, Err(Absent::NoLine(ROLLUP, "LazyFree")));
        assert_eq!(old.swap, Err(Absent::Malformed(ROLLUP)));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in any::<String>()) {
            let _ = parse(&text);
            parse_rollup(&text);
        }

        #[test]
        fn no_mapping_panics(
            header in "[0-9a-g]{0,17}-[0-9a-f]{0,17} [rwxps-]{0,5} [0-9]{0,9} [0-9a-f:]{0,6} [0-9]{0,21} {0,3}[^\n]{0,9}",
            line in "(Rss|Pss|Swap|Anonymous|LazyFree):? *[0-9]{0,21} ?(kB)?",
            flags in "VmFlags:( [a-z]{2}){0,5}",
        ) {
            let _ = parse(&format!("{header}\n{line}\n{flags}\n{header}\n{line}\n"));
        }
    }
}
