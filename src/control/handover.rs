//! What another program gets of this process beyond what execve(2) hands on by itself: the descriptors
//! that Node.js would keep from it.

use std::ffi::c_int;
use std::fs;
use std::os::fd::RawFd;
use std::path::Path;

/// Descriptors that are open to the next program for as long as this lives. execve does not return, so
/// only where it fails are they closed to it again.
pub struct Handover {
    flags: Vec<(RawFd, c_int)>,
}

impl Handover {
    /// Standard input, output and error, what this process was started with, and `channel`.
    pub fn new(channel: Option<RawFd>) -> Self {
        let descriptors = (0..=2).chain(inherited()).chain(channel);
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

/// The descriptors from 3 on that this process was started with, such as those of systemd's socket
/// activation (sd_listen_fds(3)): Node.js marks them close-on-exec (uv_disable_stdio_inheritance).
///
/// What Node.js opens itself bears the same mark. But a new descriptor takes the lowest free number
/// (open(2)), and the first that Node.js keeps open is the epoll instance of an event loop: numbers
/// that are taken without a gap below it were taken before. Behind a gap nothing tells the two apart,
/// and to hand on too many could keep a connection or a port of Node.js's own open for good.
fn inherited() -> impl Iterator<Item = RawFd> {
    (3..).take_while(|descriptor| {
        fs::read_link(format!("/proc/self/fd/{descriptor}"))
            .is_ok_and(|target| target != Path::new("anon_inode:[eventpoll]"))
    })
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
