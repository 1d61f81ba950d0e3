//! Small kernel files that are read again and again.

use std::cell::RefCell;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

use super::Absent;

/// A file under `/proc` or `/sys` that stays open between readings: reading from offset 0 makes
/// the kernel compute it anew (proc(5)), and saves the open and close.
///
/// Opened on first use with `O_CLOEXEC`, opened again when reading fails, and once per process,
/// whatever thread reads.
pub struct KernelFile {
    /// What the file is called in notes.
    name: &'static str,
    path: PathBuf,
    open: RwLock<Option<File>>,
}

thread_local! {
    /// Grows where it must: `status` and `memory.stat` are about 1.5 kB each.
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; 8 * 1024]);
}

impl KernelFile {
    /// `name` is the path below `directory`.
    pub fn new(directory: &Path, name: &'static str) -> Self {
        Self::at(directory.join(name), name)
    }

    /// For a path that is not what the file is called in notes.
    pub fn at(path: PathBuf, name: &'static str) -> Self {
        Self { name, path, open: RwLock::new(None) }
    }

    /// What the file is called in notes.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Reads the file and hands its text to `parse`.
    pub fn read<T>(&self, parse: impl FnOnce(&str) -> Result<T, Absent>) -> Result<T, Absent> {
        BUFFER.with(|buffer| {
            let mut buffer = buffer.try_borrow_mut().map_err(|_| self.absent(libc::EDEADLK))?;
            let len = self
                .read_open(&mut buffer)
                .or_else(|_| self.open().and_then(|()| self.read_open(&mut buffer)))
                .map_err(|error| self.absent(error.raw_os_error().unwrap_or(libc::EIO)))?;
            let text = std::str::from_utf8(&buffer[..len]).map_err(|_| Absent::Malformed(self.name))?;
            parse(text)
        })
    }

    /// One read takes it all: the kernel builds these files in one piece, and a read that ends
    /// before the buffer does has reached the end (fs/seq_file.c, single_open).
    fn read_open(&self, buffer: &mut Vec<u8>) -> io::Result<usize> {
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        let file = open.as_ref().ok_or(io::ErrorKind::NotFound)?;
        loop {
            match file.read_at(buffer, 0) {
                Ok(len) if len < buffer.len() => return Ok(len),
                Ok(len) => buffer.resize(2 * len, 0),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn open(&self) -> io::Result<()> {
        let file = File::open(&self.path)?;
        *self.open.write().unwrap_or_else(PoisonError::into_inner) = Some(file);
        Ok(())
    }

    fn absent(&self, errno: i32) -> Absent {
        Absent::File(self.name, errno)
    }
}

/// The text of a file that is read once. `name` is what it is called in notes.
pub fn read_text(path: &Path, name: &'static str) -> Result<String, Absent> {
    let bytes =
        fs::read(path).map_err(|error| Absent::File(name, error.raw_os_error().unwrap_or(libc::EIO)))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The values of `names` in a text of `name<separator>value` lines, in one pass that ends when all are
/// found.
pub fn values<'a, const N: usize>(text: &'a str, separator: u8, names: [&str; N]) -> [Option<&'a str>; N] {
    let mut values = [None; N];
    let mut missing = N;
    for line in text.lines() {
        // Looking for the separator first settles most lines by a single byte.
        let is_here =
            |name: &str| line.as_bytes().get(name.len()) == Some(&separator) && line.starts_with(name);
        if let Some(index) = names.iter().position(|name| is_here(name))
            && values[index].is_none()
        {
            values[index] = line.get(names[index].len() + 1..);
            missing -= 1;
            if missing == 0 {
                break;
            }
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_not_taken_for_one_that_starts_like_it() {
        let text = "oom 2\noom_kill 1\noom_kill_disable 0\nodd\n";
        assert_eq!(values(text, b' ', ["oom_kill", "oom", "odd"]), [Some("1"), Some("2"), None]);
    }

    #[test]
    fn a_file_larger_than_the_buffer_is_read_whole() {
        let directory = std::env::temp_dir().join(format!("heapgap-file-{}", std::process::id()));
        let long = "0123456789".repeat(5_000);
        let written =
            std::fs::create_dir_all(&directory).and_then(|()| std::fs::write(directory.join("long"), &long));
        let file = KernelFile::new(&directory, "long");
        let read = file.read(|text| Ok(text == long));
        let _ = std::fs::remove_dir_all(&directory);
        assert!(written.is_ok());
        assert_eq!(read, Ok(true));
    }

    #[test]
    fn a_closed_descriptor_is_opened_again() {
        let file = KernelFile::new(Path::new("/"), "proc/self/statm");
        assert!(file.read(|text| Ok(text.len())).is_ok());
        // A descriptor that cannot be read from stands for one that somebody closed.
        *file.open.write().unwrap_or_else(PoisonError::into_inner) = File::open("/").ok();
        assert!(file.read(|text| Ok(text.len())).is_ok());
    }
}
