//! Files that somebody else may have put where heapgap looks: opened with care, read line by line.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::Absent;

/// A line beyond this is cut: minified code can have lines of any length.
pub const LONGEST: u64 = 4096;

/// Opens a regular file, and waits for nobody, should it be something else (open(2)). `name` is what notes call it.
pub fn open(path: &Path, name: &'static str, flags: i32) -> Result<File, Absent> {
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | flags).open(path);
    let file = file.map_err(|error| absent(name, &error))?;
    match file.metadata().map_err(|error| absent(name, &error))?.is_file() {
        true => Ok(file),
        false => Err(Absent::Because("it is no regular file")),
    }
}

/// That reading the file has failed.
pub fn absent(name: &'static str, error: &io::Error) -> Absent {
    Absent::File(name, error.raw_os_error().unwrap_or(libc::EIO))
}

/// Reads the next line with its end, or as much of it as is not too long: returns how long it was.
pub fn next_line(lines: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<u64> {
    line.clear();
    let read = lines.by_ref().take(LONGEST).read_until(b'\n', line)? as u64;
    let is_cut = read == LONGEST && line.last() != Some(&b'\n');
    Ok(read + if is_cut { lines.skip_until(b'\n')? as u64 } else { 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_cut() -> io::Result<()> {
        let text = format!("a\n\n{}\nlast", "x".repeat(5000));
        let (mut lines, mut line) = (text.as_bytes(), Vec::new());
        let mut seen = Vec::new();
        loop {
            match next_line(&mut lines, &mut line)? {
                0 => break,
                length => seen.push((length, line.len())),
            }
        }
        assert_eq!(seen, [(2, 2), (1, 1), (5001, 4096), (4, 4)]);
        Ok(())
    }

    #[test]
    fn only_regular_files_are_opened() {
        let opened = |path: &str| open(Path::new(path), "it", 0).map(|_| ());
        assert_eq!(opened("/dev/zero"), Err(Absent::Because("it is no regular file")));
        assert_eq!(opened("/nowhere"), Err(Absent::File("it", libc::ENOENT)));
        assert_eq!(opened("/proc/self/maps"), Ok(()));
    }
}
