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

/// The mappings of this process, in ascending order. `root` stands for `/`.
///
/// The kernel hands out a page of text at a time and lets others change mappings in between: what is
/// mapped or touched meanwhile may be missed.
pub fn read(root: &Path) -> Result<Vec<Mapping>, Absent> {
    let absent = |error: std::io::Error| Absent::File(SMAPS, error.raw_os_error().unwrap_or(libc::EIO));
    let mut file = File::open(root.join(SMAPS)).map_err(absent)?;
    let mut parser = Parser::default();
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

#[derive(Default)]
struct Parser {
    mappings: Vec<Mapping>,
    /// Whether the last of them has its `Rss` yet.
    counted: bool,
}

impl Parser {
    fn lines(&mut self, text: &str) -> Result<(), Absent> {
        text.lines().try_for_each(|line| self.line(line).ok_or(Absent::Malformed(SMAPS)))
    }

    /// A mapping starts with its addresses in lower case, and what follows is `Name: value`.
    fn line(&mut self, line: &str) -> Option<()> {
        if !line.starts_with(|first: char| first.is_ascii_uppercase()) {
            let mapping = header(line)?;
            let follows = self.mappings.last().is_none_or(|last| self.counted && last.end <= mapping.start);
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

    fn end(self) -> Result<Vec<Mapping>, Absent> {
        // A process has mappings; and each of them its figures.
        if self.counted { Ok(self.mappings) } else { Err(Absent::Malformed(SMAPS)) }
    }
}

/// `7f0e90000000-7f0e90021000 rw-p 00000000 00:00 0                          [heap]`
fn header(line: &str) -> Option<Mapping> {
    let mut words = line.splitn(6, ' ');
    let (start, end) = words.next()?.split_once('-')?;
    let hex = |text| u64::from_str_radix(text, 16).ok();
    let (start, end) = (hex(start)?, hex(end)?);
    let permissions = words.next()?.as_bytes();
    words.next()?;
    let (major, minor) = words.next()?.split_once(':')?;
    let inode = words.next()?.parse().ok()?;
    // The path is padded to a column of its own.
    let path = words.next().map(|path| path.trim_start_matches(' ')).filter(|path| !path.is_empty());
    (start < end && permissions.len() == 4).then(|| Mapping {
        start,
        end,
        read: permissions[0] == b'r',
        write: permissions[1] == b'w',
        execute: permissions[2] == b'x',
        shared: permissions[3] == b's',
        device: (u32::from_str_radix(major, 16).unwrap_or(0), u32::from_str_radix(minor, 16).unwrap_or(0)),
        inode,
        path: path.map(str::to_owned),
        ..Mapping::default()
    })
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
