//! What V8 calls the code that it generates: the map of `--perf-basic-prof`.
//!
//! V8 appends a line for each piece of code it makes, `start size name`, and reuses the room of what it has
//! collected: the last line that covers an address wins. (An address from before that is then named wrongly.)

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::Absent;
use super::regular::{LONGEST, absent, next_line, open};

const MAP: &str = "the map of V8's code";

/// Reads the names of `wanted`, which is sorted.
///
/// Anybody can put a file of this name into /tmp: it must be our own.
pub fn read(path: &Path, wanted: &[u64]) -> Result<HashMap<u64, String>, Absent> {
    let file = open(path, MAP, libc::O_NOFOLLOW)?;
    refuse_foreign(&file)?;
    collect(BufReader::with_capacity(64 * 1024, file), wanted).map_err(|error| absent(MAP, &error))
}

fn refuse_foreign(file: &File) -> Result<(), Absent> {
    let owner = file.metadata().map_err(|error| absent(MAP, &error))?.uid();
    // SAFETY: it cannot fail (geteuid(2)).
    let own = unsafe { libc::geteuid() };
    match owner == own {
        true => Ok(()),
        false => Err(Absent::Because("the map of V8's code is not a file of this user's")),
    }
}

fn collect(mut lines: impl BufRead, wanted: &[u64]) -> io::Result<HashMap<u64, String>> {
    let mut names = HashMap::new();
    let mut line = Vec::new();
    while next_line(&mut lines, &mut line)? > 0 {
        let Some((start, size, name)) = parse(&line) else { continue };
        let first = wanted.partition_point(|&address| address < start);
        let covered = wanted.iter().skip(first).take_while(|&&address| address - start < size);
        for &address in covered {
            names.insert(address, String::from_utf8_lossy(name).into_owned());
        }
    }
    Ok(names)
}

/// `start size name`, the numbers in hexadecimal; `None` for a line that V8 has not finished.
fn parse(line: &[u8]) -> Option<(u64, u64, &[u8])> {
    let is_cut = line.len() as u64 == LONGEST;
    let line = line.strip_suffix(b"\n").or(is_cut.then_some(line))?;
    let mut words = line.splitn(3, |&byte| byte == b' ');
    let start = hexadecimal(words.next()?)?;
    let size = hexadecimal(words.next()?)?;
    Some((start, size, words.next()?))
}

fn hexadecimal(digits: &[u8]) -> Option<u64> {
    u64::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use proptest::prelude::*;

    use super::*;

    fn named(text: &str, wanted: &[u64]) -> Vec<Option<String>> {
        let mut names = collect(text.as_bytes(), wanted).unwrap_or_default();
        wanted.iter().map(|address| names.remove(address)).collect()
    }

    fn some(name: &str) -> Option<String> {
        Some(name.to_owned())
    }

    #[test]
    fn the_last_line_that_covers_an_address_wins() {
        let text = "1000 100 JS:~old /a.js:1:1\n1080 10 JS:*new /b.js:1:1\n3000 20 Builtin:X y\n";
        assert_eq!(
            named(text, &[0xfff, 0x1000, 0x1080, 0x108f, 0x1090, 0x10ff, 0x1100, 0x301f]),
            [
                None,
                some("JS:~old /a.js:1:1"),
                some("JS:*new /b.js:1:1"),
                some("JS:*new /b.js:1:1"),
                some("JS:~old /a.js:1:1"),
                some("JS:~old /a.js:1:1"),
                None,
                some("Builtin:X y")
            ]
        );
    }

    #[test]
    fn lines_that_are_none_are_skipped() {
        let long = "x".repeat(10_000);
        let text = format!("\nnonsense\n1000 zz a\n2000 10\n3000 10 {long}\n4000 10 b\n5000 10\n6000 10 cut");
        let expected = [None, None, some("b"), None, None];
        assert_eq!(named(&text, &[0x1000, 0x2000, 0x4000, 0x5000, 0x6000]), expected);
        assert_eq!(named(&text, &[0x3000])[0].as_ref().map(String::len), Some(4096 - "3000 10 ".len()));
    }

    #[test]
    fn a_link_is_not_followed_and_a_folder_is_no_map() {
        let folder = std::env::temp_dir().join(format!("heapgap-perf-map-{}", std::process::id()));
        let made = std::fs::create_dir(&folder).and_then(|()| {
            std::fs::write(folder.join("map"), "1000 10 a\n")?;
            symlink(folder.join("map"), folder.join("link"))
        });
        let found = ["map", "link", "."].map(|name| read(&folder.join(name), &[0x1008]));
        assert!(made.is_ok() && std::fs::remove_dir_all(&folder).is_ok());
        let [map, link, directory] = found;
        assert_eq!(map.unwrap_or_default().get(&0x1008), some("a").as_ref());
        assert_eq!(link, Err(Absent::File(MAP, libc::ELOOP)));
        assert_eq!(directory, Err(Absent::Because("it is no regular file")));
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in "(?s).{0,400}", wanted in prop::collection::btree_set(any::<u64>(), 0..5)) {
            let wanted: Vec<_> = wanted.into_iter().collect();
            let _ = named(&text, &wanted);
        }

        #[test]
        fn every_address_in_a_line_has_its_name(start in 0_u64..1 << 47, size in 1_u64..5000, inside in 0_u64..5000) {
            let text = format!("{start:x} {size:x} name of it\n");
            let expected = (inside < size).then(|| "name of it".to_owned());
            prop_assert_eq!(named(&text, &[start + inside]), [expected]);
        }
    }
}
