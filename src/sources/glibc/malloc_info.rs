//! What `malloc_info` prints (malloc_info(3)): every arena's free chunks by size.
//!
//! It takes each arena's lock and walks its free lists, as `mallinfo2` does, so it stalls those who
//! allocate for as long. Checked against malloc.c of glibc 2.28, 2.31, 2.36, 2.39, 2.42 and 2.43: before
//! 2.31 the chunk at an arena's top is not counted, and 2.43 has no fastbins and no `fast` lines. All of
//! them print the size of a chunk in a bin with its flag bit, as 753 for 752 bytes, and sum it so.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ffi::{c_int, c_void};

use crate::live::symbols;
use crate::sources::Absent;
use crate::sources::detail::{self, ClassKind, SizeClass};

const NAME: &str = "malloc_info";

/// One reading, in bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MallocInfo {
    /// In glibc's order: the main arena first.
    pub arenas: Vec<Arena>,
    /// Chunks that are mappings of their own.
    pub mmapped: Total,
}

/// One arena.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arena {
    /// Free chunks by size, the chunk at the top left out.
    pub classes: Vec<Class>,
    /// In fastbins.
    pub fast: Total,
    /// In all other bins and, since glibc 2.31, at the top.
    pub rest: Total,
    /// Taken from the system, resident or not.
    pub system: u64,
}

/// A number of chunks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Total {
    /// How many.
    pub count: u64,
    /// Bytes in all of them.
    pub size: u64,
}

/// The free chunks of one bin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Class {
    /// The smallest.
    pub from: u64,
    /// The largest.
    pub to: u64,
    /// Bytes in all of them.
    pub total: u64,
    /// How many.
    pub count: u64,
}

impl Arena {
    /// Bytes in chunks in use; what threads' caches keep counts as used. `None` before glibc 2.31,
    /// where nobody can tell how much of the rest is at the top.
    pub fn allocated(&self) -> Option<u64> {
        let in_bins: u64 = self.classes.iter().map(|class| class.count).sum();
        let counts_top = self.fast.count + self.rest.count == in_bins + 1;
        if counts_top { self.system.checked_sub(self.free()) } else { None }
    }

    /// Bytes in free chunks, resident or not.
    pub fn free(&self) -> u64 {
        self.fast.size.saturating_add(self.rest.size)
    }
}

impl MallocInfo {
    /// What it has of each arena; which of it is resident it cannot tell.
    pub fn rows(&self) -> Vec<detail::Arena> {
        let row = |(index, arena): (usize, &Arena)| detail::Arena {
            index: index as u32,
            allocated: arena.allocated(),
            free: Some(arena.free()),
            mapped: Some(arena.system),
            ..detail::Arena::default()
        };
        self.arenas.iter().enumerate().map(row).collect()
    }

    /// Free chunks by size, of all arenas, those with the most bytes first.
    pub fn free_classes(&self) -> Vec<SizeClass> {
        let mut merged = BTreeMap::<u64, SizeClass>::new();
        for class in self.arenas.iter().flat_map(|arena| &arena.classes) {
            let none = SizeClass { size: class.to, kind: ClassKind::Free, count: 0, bytes: 0, waste: None };
            let row = merged.entry(class.to).or_insert(none);
            row.count = row.count.saturating_add(class.count);
            row.bytes = row.bytes.saturating_add(class.total);
        }
        let mut rows: Vec<_> = merged.into_values().collect();
        rows.sort_unstable_by_key(|row| Reverse(row.bytes));
        rows
    }
}

/// Asks glibc, whatever it takes. Not for the JavaScript thread.
pub fn read() -> Result<MallocInfo, Absent> {
    print().and_then(|text| parse(&text))
}

/// glibc's own text.
fn print() -> Result<String, Absent> {
    type Print = unsafe extern "C" fn(c_int, *mut libc::FILE) -> c_int;
    // SAFETY: the type is that of malloc.h.
    let call = unsafe { symbols::function::<Print>(c"malloc_info") }
        .ok_or(Absent::Because("this libc has no malloc_info"))?;
    let (mut text, mut len) = (std::ptr::null_mut(), 0);
    // SAFETY: both outlive the stream, which is closed below; open_memstream(3).
    let stream = unsafe { libc::open_memstream(&mut text, &mut len) };
    if stream.is_null() {
        return Err(Absent::Because("no memory for what malloc_info prints"));
    }
    // SAFETY: the stream is open, and 0 is the only option there is; malloc_info(3).
    let printed = unsafe { call(0, stream) } == 0;
    // SAFETY: open until here, and not used again. Closing sets `text` and `len`; open_memstream(3).
    let closed = unsafe { libc::fclose(stream) } == 0;
    let copy = if printed && closed && !text.is_null() {
        // SAFETY: `fclose` has left `len` bytes at `text`.
        let bytes = unsafe { std::slice::from_raw_parts(text.cast::<u8>(), len) };
        Ok(String::from_utf8_lossy(bytes).into_owned())
    } else {
        Err(Absent::Because("malloc_info failed"))
    };
    // SAFETY: the caller of open_memstream frees what it allocated, by `free`; null is let be.
    unsafe { libc::free(text.cast::<c_void>()) };
    copy
}

/// Reads the XML line by line: glibc prints each element on a line of its own.
fn parse(text: &str) -> Result<MallocInfo, Absent> {
    let malformed = Absent::Malformed(NAME);
    let mut lines = text.lines().map(str::trim);
    if lines.next() != Some("<malloc version=\"1\">") {
        return Err(malformed);
    }
    let mut info = MallocInfo::default();
    // Elements outside of any <heap> are totals of the whole process.
    let mut arena: Option<Arena> = None;
    for line in lines {
        let (tag, rest) = line.split_once(' ').unwrap_or((line, ""));
        match (tag, &mut arena) {
            ("<heap", None) => arena = Some(Arena::default()),
            ("</heap>", Some(_)) => info.arenas.extend(arena.take().map(without_flags)),
            ("<size" | "<unsorted", Some(arena)) => arena.classes.push(class(rest).ok_or(malformed)?),
            ("<total", Some(arena)) => match attribute(rest, "type") {
                Some("fast") => arena.fast = total(rest).ok_or(malformed)?,
                Some("rest") => arena.rest = total(rest).ok_or(malformed)?,
                _ => {}
            },
            ("<system", Some(arena)) if attribute(rest, "type") == Some("current") => {
                arena.system = number(rest, "size").ok_or(malformed)?;
            }
            ("<total", None) if attribute(rest, "type") == Some("mmap") => {
                info.mmapped = total(rest).ok_or(malformed)?;
            }
            ("</malloc>", None) => return if info.arenas.is_empty() { Err(malformed) } else { Ok(info) },
            _ => {}
        }
    }
    Err(malformed)
}

/// Takes the flag bit (`PREV_INUSE`, always set on a free chunk) off the sizes that have it.
fn without_flags(mut arena: Arena) -> Arena {
    for class in arena.classes.iter_mut().filter(|class| class.to & 1 == 1) {
        class.from &= !1;
        class.to &= !1;
        class.total = class.total.saturating_sub(class.count);
        arena.rest.size = arena.rest.size.saturating_sub(class.count);
    }
    arena
}

fn class(attributes: &str) -> Option<Class> {
    let number = |name| number(attributes, name);
    Some(Class { from: number("from")?, to: number("to")?, total: number("total")?, count: number("count")? })
}

fn total(attributes: &str) -> Option<Total> {
    Some(Total { count: number(attributes, "count")?, size: number(attributes, "size")? })
}

fn number(attributes: &str, name: &str) -> Option<u64> {
    attribute(attributes, name)?.parse().ok()
}

/// The value of `name` in ` a="1" b="2"/>`.
fn attribute<'a>(attributes: &'a str, name: &str) -> Option<&'a str> {
    attributes.split_ascii_whitespace().find_map(|pair| {
        let value = pair.strip_prefix(name)?.strip_prefix("=\"")?;
        value.split_once('"').map(|(value, _)| value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Printed by Debian 12's glibc.
    const GLIBC_2_36: &str = include_str!("../../../__test__/fixtures/malloc_info/glibc-2.36.xml");
    /// Written after the `fprintf` calls of those versions.
    const GLIBC_2_28: &str = include_str!("../../../__test__/fixtures/malloc_info/glibc-2.28.xml");
    const GLIBC_2_43: &str = include_str!("../../../__test__/fixtures/malloc_info/glibc-2.43.xml");

    fn parsed(text: &str) -> MallocInfo {
        let info = parse(text);
        assert!(info.is_ok(), "{info:?}");
        info.unwrap_or_default()
    }

    #[test]
    fn a_real_printout() {
        let info = parsed(GLIBC_2_36);
        assert_eq!(info.mmapped, Total { count: 3, size: 6_500_352 });
        let [main, other] = &info.arenas[..] else { unreachable!("{info:?}") };
        assert_eq!((main.system, main.classes.len()), (135_168, 0));
        assert_eq!(main.rest, Total { count: 1, size: 134_224 });
        assert_eq!(main.allocated(), Some(135_168 - 134_224));
        assert_eq!(other.system, 1_433_600);
        // 753 for 752 bytes: the flag bit is printed.
        assert!(other.classes.contains(&Class { from: 752, to: 752, total: 17 * 752, count: 17 }));
        // 512989 is odd, because a bit was added for each chunk in a bin, 1101 of them.
        assert_eq!(other.rest, Total { count: 1102, size: 512_989 - 1101 });
        assert_eq!(other.allocated(), Some(1_433_600 - 511_888));
    }

    #[test]
    fn before_2_31_the_top_is_not_counted() {
        let info = parsed(GLIBC_2_28);
        assert_eq!(info.arenas[0].fast, Total { count: 2, size: 64 });
        assert_eq!(info.arenas[0].free(), 64 + 3 * 32 + 3120);
        assert_eq!(info.arenas[0].allocated(), None);
    }

    #[test]
    fn since_2_43_there_are_no_fastbins() {
        let info = parsed(GLIBC_2_43);
        assert_eq!(info.arenas[0].fast, Total::default());
        assert_eq!(info.arenas[0].allocated(), Some(135_168 - 100_096));
    }

    #[test]
    fn what_is_cut_off_or_something_else_is_no_reading() {
        let malformed = Err(Absent::Malformed(NAME));
        assert_eq!(parse(""), malformed);
        assert_eq!(parse("<malloc version=\"2\">\n</malloc>\n"), malformed);
        assert_eq!(parse("<malloc version=\"1\">\n</malloc>\n"), malformed);
        for (at, _) in GLIBC_2_36.trim_end().char_indices() {
            assert_eq!(parse(&GLIBC_2_36[..at]), malformed, "{at}");
        }
        assert_eq!(parse(&GLIBC_2_36.replace("size=\"134224\"", "size=\"\"")), malformed);
    }

    #[test]
    fn our_own() {
        let info = read();
        assert!(info.is_ok_and(|info| info.arenas.iter().all(|arena| arena.system > 0)));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "(<malloc version=\"1\">\n)?([<>/=\"0-9a-z \n]|<heap|<size |</heap>\n|</malloc>){0,80}") {
            let _ = parse(&text);
        }
    }
}
