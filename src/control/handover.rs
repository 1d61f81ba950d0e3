//! What another program gets of this process: the environment and the descriptors that it was given itself.

use std::collections::HashMap;
use std::env;
use std::ffi::{OsString, c_int};
use std::fs;
use std::os::fd::RawFd;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// Names and values.
pub type Environment = Vec<(OsString, OsString)>;

/// The variables that this process was started with, or where /proc cannot be read those it has now; and
/// `added`, which win.
///
/// Not those it has now: Node.js takes out what tells of the channel to its parent
/// (internal/process/pre_execution), and what a program does to its variables it will do again.
pub fn environment(added: &HashMap<String, String>) -> Environment {
    let given = match fs::read("/proc/self/environ") {
        Ok(bytes) => parse_environ(&bytes),
        Err(_) => env::vars_os().collect(),
    };
    let is_added = |name: &OsString| name.to_str().is_some_and(|name| added.contains_key(name));
    let added = added.iter().map(|(name, value)| (name.into(), value.into()));
    given.into_iter().filter(|(name, _)| !is_added(name)).chain(added).collect()
}

/// Entries of `name=value` that each end with a null byte (proc(5), /proc/pid/environ).
fn parse_environ(bytes: &[u8]) -> Environment {
    let pair = |entry: &[u8]| {
        // A name is at least one byte, and may begin with an equals sign.
        let at = entry.iter().skip(1).position(|&byte| byte == b'=')? + 1;
        Some((OsString::from_vec(entry[..at].to_vec()), OsString::from_vec(entry[at + 1..].to_vec())))
    };
    bytes.split(|&byte| byte == 0).filter_map(pair).collect()
}

/// Descriptors that are open to the next program for as long as this lives. execve does not return, so
/// only where it fails are they closed to it again.
pub struct Handover {
    flags: Vec<(RawFd, c_int)>,
}

impl Handover {
    /// Standard input, output and error, what this process was started with, and the channel to its parent
    /// (child_process.fork()) that `environment` tells of.
    pub fn new(environment: &Environment) -> Self {
        let descriptors = (0..=2).chain(inherited()).chain(channel(environment));
        Self { flags: descriptors.filter_map(keep_open).collect() }
    }
}

impl Drop for Handover {
    fn drop(&mut self) {
        for &(descriptor, flags) in &self.flags {
            // SAFETY: fcntl(2) on any number is safe.
            unsafe { libc::fcntl(descriptor, libc::F_SETFD, flags) };
        }
    }
}

/// What Node.js is told of the channel by whoever forked it.
pub fn channel(environment: &Environment) -> Option<RawFd> {
    let (_, descriptor) = environment.iter().find(|(name, _)| name == "NODE_CHANNEL_FD")?;
    descriptor.to_str()?.parse().ok()
}

/// Node.js marks what it was started with close-on-exec up to this number at least
/// (uv_disable_stdio_inheritance), and what is behind it only as far as there is no gap.
const LAST_MARKED: RawFd = 16;

/// The descriptors from 3 on that this process was started with, such as those of systemd's socket
/// activation (sd_listen_fds(3)), or a lock that a shell has taken (flock(1)).
///
/// What Node.js opens itself bears the same mark. But a new descriptor takes the lowest free number
/// (open(2)), and the first that Node.js keeps open is the epoll instance of an event loop: numbers
/// that are taken without a gap below it were taken before. Behind it, what Node.js has itself are event
/// loops, sockets, and pipes of which it has both ends; to hand on too many could keep a connection or
/// a port open for good.
fn inherited() -> impl Iterator<Item = RawFd> {
    let before =
        (3..).take_while(|&descriptor| target(descriptor).is_some_and(|target| !is_event_loop(&target)));
    let first_of_node = 3 + before.clone().count() as RawFd;
    before.chain((first_of_node..=LAST_MARKED).filter(|&descriptor| is_given_file(descriptor)))
}

fn target(descriptor: RawFd) -> Option<PathBuf> {
    fs::read_link(format!("/proc/self/fd/{descriptor}")).ok()
}

fn is_event_loop(target: &Path) -> bool {
    target == Path::new("anon_inode:[eventpoll]")
}

/// A file that is not one of the kernel's views of a process, or a pipe whose other end is elsewhere.
fn is_given_file(descriptor: RawFd) -> bool {
    match target(descriptor) {
        Some(own) if own.to_string_lossy().starts_with("pipe:") => !has_other_end(descriptor, &own),
        Some(own) => own.is_absolute() && !own.starts_with("/proc") && !own.starts_with("/sys"),
        None => false,
    }
}

fn has_other_end(descriptor: RawFd, pipe: &Path) -> bool {
    let entries = fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    let descriptors = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let mut ends = descriptors.filter(|&other| target(other).is_some_and(|target| target == pipe));
    ends.any(|end| access(end) != access(descriptor))
}

/// Reading or writing.
fn access(descriptor: RawFd) -> c_int {
    // SAFETY: fcntl(2) on any number is safe.
    unsafe { libc::fcntl(descriptor, libc::F_GETFL) & libc::O_ACCMODE }
}

/// The descriptor and its flags as they were; `None` where it is closed, or open to all already.
fn keep_open(descriptor: RawFd) -> Option<(RawFd, c_int)> {
    // SAFETY: fcntl(2) on any number is safe; EBADF where the descriptor is closed.
    unsafe {
        let flags = libc::fcntl(descriptor, libc::F_GETFD);
        if flags < 0 || flags & libc::FD_CLOEXEC == 0 {
            return None;
        }
        libc::fcntl(descriptor, libc::F_SETFD, flags & !libc::FD_CLOEXEC);
        Some((descriptor, flags))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_environment_is_read_as_it_was_given() {
        let parsed = parse_environ(b"A=1\0B==x=y\0EMPTY=\0=odd=1\0no pair\0C=\xe9\n\0A=2\0");
        let expected: Vec<(OsString, OsString)> = [
            (&b"A"[..], &b"1"[..]),
            (b"B", b"=x=y"),
            (b"EMPTY", b""),
            (b"=odd", b"1"),
            (b"C", b"\xe9\n"),
            (b"A", b"2"),
        ]
        .map(|(name, value)| (OsString::from_vec(name.into()), OsString::from_vec(value.into())))
        .into();
        assert_eq!(parsed, expected);
    }

    #[test]
    fn what_is_added_replaces_what_was_given() {
        let added = HashMap::from([("PATH".to_owned(), "/added".to_owned())]);
        let all = environment(&added);
        let paths: Vec<_> = all.iter().filter(|(name, _)| name == "PATH").collect();
        assert_eq!(paths, [&("PATH".into(), "/added".into())]);
        assert_eq!(all.len(), parse_environ(&fs::read("/proc/self/environ").unwrap_or_default()).len());
    }

    proptest! {
        #[test]
        fn any_bytes_are_parsed(bytes: Vec<u8>) {
            parse_environ(&bytes);
        }
    }
}
