//! The process's threads, from `/proc/self/task` (proc(5)).

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Serialize;

use super::Absent;

const TASK: &str = "proc/self/task";

/// One thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thread {
    /// Its id, as gettid(2) has it.
    pub id: u32,
    /// Its name, at most 15 bytes (`comm`).
    pub name: String,
    /// Where its stack ends while it waits in a system call; `None` while it runs, or where the kernel
    /// does not say.
    pub stack_pointer: Option<u64>,
}

/// Threads of one name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Group {
    /// Theirs.
    pub name: String,
    /// How many there are.
    pub count: usize,
}

/// All threads; those that end meanwhile are left out. `root` stands for `/`.
pub fn read(root: &Path) -> Result<Vec<Thread>, Absent> {
    let task = root.join(TASK);
    let absent = |error: std::io::Error| Absent::File(TASK, error.raw_os_error().unwrap_or(libc::EIO));
    let mut threads = Vec::new();
    for entry in fs::read_dir(&task).map_err(absent)? {
        let entry = entry.map_err(absent)?;
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let Ok(name) = fs::read(entry.path().join("comm")) else { continue };
        threads.push(Thread {
            id,
            name: String::from_utf8_lossy(&name).trim_end_matches('\n').to_owned(),
            // Missing on kernels without CONFIG_HAVE_ARCH_TRACEHOOK.
            stack_pointer: fs::read_to_string(entry.path().join("syscall")).ok().and_then(|line| sp(&line)),
        });
    }
    Ok(threads)
}

/// Counted by name, the most first.
pub fn by_name(threads: &[Thread]) -> Vec<Group> {
    let mut counts = BTreeMap::new();
    for thread in threads {
        *counts.entry(thread.name.as_str()).or_insert(0) += 1;
    }
    let mut groups: Vec<Group> =
        counts.into_iter().map(|(name, count)| Group { name: name.to_owned(), count }).collect();
    groups.sort_unstable_by_key(|group| std::cmp::Reverse(group.count));
    groups
}

/// The last but one field, in hexadecimal: a system call's number, its six arguments, the stack pointer,
/// the program counter; or `-1`, the stack pointer and the program counter, for a thread that waits
/// outside of one; or `running` (proc(5)).
fn sp(line: &str) -> Option<u64> {
    let mut from_the_end = line.split_ascii_whitespace().rev().skip(1);
    let pointer = from_the_end.next()?.strip_prefix("0x")?;
    let fields = 2 + from_the_end.count();
    u64::from_str_radix(pointer, 16).ok().filter(|&pointer| pointer != 0 && (fields == 3 || fields == 9))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::sync::mpsc;

    #[test]
    fn a_thread_that_waits_has_a_stack_pointer() {
        let (tell, told) = mpsc::channel();
        let (end, wait) = mpsc::channel::<()>();
        let waiting = std::thread::Builder::new().name("heapgap waits".into()).spawn(move || {
            let local = 0u8;
            let _ = tell.send(&raw const local as u64);
            let _ = wait.recv();
        });
        let local = told.recv().unwrap_or(0);
        // It waits in a system call soon after it has told where it is.
        let found = (0..100_000).find_map(|_| {
            let threads = read(Path::new("/")).unwrap_or_default();
            threads.into_iter().find(|it| it.name == "heapgap waits" && it.stack_pointer.is_some())
        });
        drop(end);
        assert!(waiting.is_ok_and(|waiting| waiting.join().is_ok()));
        let pointer = found.and_then(|thread| thread.stack_pointer).unwrap_or(0);
        assert!((local - (64 << 10)..local + 4096).contains(&pointer), "{pointer:x} {local:x}");
    }

    #[test]
    fn names_are_counted() {
        let thread = |name: &str| Thread { id: 1, name: name.to_owned(), stack_pointer: None };
        let groups = by_name(&["b", "a", "c", "b"].map(thread));
        let counted: Vec<_> = groups.iter().map(|group| (group.name.as_str(), group.count)).collect();
        assert_eq!(counted, [("b", 2), ("a", 1), ("c", 1)]);
        assert_eq!(serde_json::to_string(&groups[0]).ok().as_deref(), Some(r#"{"name":"b","count":2}"#));
    }

    #[test]
    fn stack_pointers() {
        let waits = "281 0x10 0x7ffd5cf12d80 0x400 0x3c8 0x0 0x8 0x7ffd5cf12020 0x7f030ed26cae\n";
        assert_eq!(sp(waits), Some(0x7ffd_5cf1_2020));
        assert_eq!(sp("-1 0x7ffd5cf12020 0x7f030ed26cae\n"), Some(0x7ffd_5cf1_2020));
        for none in
            ["running\n", "", "-1 0x0 0x0\n", "281 0x10 0x7ffd5cf12d80 0x400\n", "-1 7ffd5cf12020 0x1\n"]
        {
            assert_eq!(sp(none), None, "{none}");
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        assert_eq!(read(Path::new("/nonexistent")), Err(Absent::File(TASK, libc::ENOENT)));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in any::<String>(), words in "(0x[0-9a-f]{0,18} ){0,9}") {
            sp(&text);
            sp(&words);
        }
    }
}
