//! glibc's counters: `mallinfo2`, or `mallinfo` before 2.33 (mallinfo(3)).
//!
//! Both walk every arena's free lists under its lock, so the cost grows with fragmentation.

use std::ffi::c_int;

use super::symbols;

/// `struct mallinfo2` of malloc.h: `T` is `size_t`; in `struct mallinfo` it is `int`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mallinfo<T> {
    /// Bytes taken from the system by `brk` and for the arenas, resident or not.
    pub arena: T,
    /// Free chunks.
    pub ordblks: T,
    /// Free fastbin chunks.
    pub smblks: T,
    /// Chunks that are mappings of their own.
    pub hblks: T,
    /// Bytes in them.
    pub hblkhd: T,
    /// Always 0.
    pub usmblks: T,
    /// Bytes in free fastbin chunks.
    pub fsmblks: T,
    /// Bytes in chunks in use; what the threads' caches keep counts as used.
    pub uordblks: T,
    /// Bytes in free chunks, **resident or not**: a trim gives their pages back and leaves this as
    /// it was, so it is not what a trim would release.
    pub fordblks: T,
    /// Bytes at the top of the main heap that `brk` could give back.
    pub keepcost: T,
}

/// glibc's counters, as its version has them.
#[derive(Clone, Copy, Debug)]
pub enum Counters {
    /// `mallinfo2`.
    Wide(Mallinfo<u64>),
    /// `mallinfo`.
    Narrow(Mallinfo<c_int>),
}

impl Counters {
    /// Bytes in chunks in use, wrapped to 32 bits where glibc wraps them.
    pub fn used(&self) -> u64 {
        match self {
            Counters::Wide(info) => info.uordblks.wrapping_add(info.hblkhd),
            Counters::Narrow(info) => u64::from(info.uordblks.wrapping_add(info.hblkhd) as u32),
        }
    }
}

/// Asks glibc, whether or not it serves `malloc`: where it does not, the counters stand still.
pub fn mallinfo() -> Option<Counters> {
    type Wide = unsafe extern "C" fn() -> Mallinfo<u64>;
    type Narrow = unsafe extern "C" fn() -> Mallinfo<c_int>;
    // SAFETY: both types are those of malloc.h on 64-bit Linux, and neither function takes anything.
    unsafe {
        let wide = symbols::function::<Wide>(c"mallinfo2").map(|call| Counters::Wide(call()));
        wide.or_else(|| symbols::function::<Narrow>(c"mallinfo").map(|call| Counters::Narrow(call())))
    }
}
