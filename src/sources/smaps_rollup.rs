//! What the kernel sums up over all mappings, from `/proc/self/smaps_rollup` (proc(5)). For other threads
//! than JavaScript's: the kernel walks every page table for it.

use std::path::Path;

use super::file::{read_text, values};
use super::{Absent, Figure};

const ROLLUP: &str = "proc/self/smaps_rollup";

/// The lines that a purge is judged by. Bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rollup {
    /// `LazyFree`: given back with `MADV_FREE`, and not taken by the kernel yet.
    pub lazy_free: Figure,
    /// `AnonHugePages`: in transparent huge pages.
    pub huge: Figure,
}

/// `root` stands for `/`.
pub fn rollup(root: &Path) -> Rollup {
    match read_text(&root.join(ROLLUP), ROLLUP) {
        Ok(text) => parse(&text),
        Err(reason) => Rollup { lazy_free: Err(reason), huge: Err(reason) },
    }
}

fn parse(text: &str) -> Rollup {
    const NAMES: [&str; 2] = ["LazyFree", "AnonHugePages"];
    let values = values(text, b':', NAMES);
    let [lazy_free, huge] = std::array::from_fn(|index| {
        let value = values[index].ok_or(Absent::NoLine(ROLLUP, NAMES[index]))?;
        let kib = value.trim().strip_suffix(" kB").and_then(|number| number.parse::<u64>().ok());
        kib.and_then(|kib| kib.checked_mul(1024)).ok_or(Absent::Malformed(ROLLUP))
    });
    Rollup { lazy_free, huge }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HUGE_PAGES: &str = include_str!("../../__test__/fixtures/proc/smaps_rollup-huge-pages");
    const LAZY_FREE: &str = include_str!("../../__test__/fixtures/proc/smaps_rollup-lazy-free");

    #[test]
    fn the_two_lines() {
        assert_eq!(parse(HUGE_PAGES), Rollup { lazy_free: Ok(0), huge: Ok(62 << 20) });
        assert_eq!(parse(LAZY_FREE), Rollup { lazy_free: Ok(32_736 << 10), huge: Ok(0) });
    }

    #[test]
    fn what_is_not_there_says_so() {
        let rollup = parse("Rss: 1 kB\nLazyFree: 1 MB\n");
        assert_eq!(rollup.huge, Err(Absent::NoLine(ROLLUP, "AnonHugePages")));
        assert_eq!(rollup.lazy_free, Err(Absent::Malformed(ROLLUP)));
    }

    #[test]
    fn own_file() {
        let own = super::rollup(Path::new("/"));
        assert!(own.lazy_free.is_ok() && own.huge.is_ok(), "{own:?}");
        let nowhere = super::rollup(Path::new("/nonexistent"));
        assert_eq!(nowhere.huge, Err(Absent::File(ROLLUP, libc::ENOENT)));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in any::<String>(), number in "[0-9]{0,25}") {
            parse(&text);
            parse(&format!("LazyFree: {number} kB\n"));
        }
    }
}
