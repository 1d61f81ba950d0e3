//! gperftools' tcmalloc, by the properties that malloc_extension.h documents. Each is counted for
//! itself, so that under load they are not of one instant.

use std::ffi::{CStr, c_char, c_int};
use std::sync::OnceLock;
use std::time::Duration;

use super::refreshed::{Refreshed, Sample};
use super::{Absent, Figure};
use crate::live::symbols;

/// One reading, in bytes. tcmalloc splits what it took from the system, `generic.heap_size`, into what
/// it gave back, free pages, pages with live objects, and in those the free objects, by who holds them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tcmalloc {
    /// `active` less what the central lists hold. Includes the caches, as jemalloc's does.
    pub allocated: Figure,
    /// In pages that hold objects: the heap without its free and its unmapped pages.
    pub active: Figure,
    /// `tcmalloc.pageheap_free_bytes`.
    pub dirty: Figure,
    /// `generic.total_physical_bytes`, less the part of the heap that counts in it.
    pub metadata: Figure,
    /// `generic.total_physical_bytes`.
    pub resident: Figure,
    /// The heap without its unmapped pages.
    pub mapped: Figure,
    /// `tcmalloc.pageheap_unmapped_bytes`: address space whose pages were given back.
    pub retained: Figure,
    /// `tcmalloc.central_cache_free_bytes`: free objects whose pages hold live ones as well.
    pub pinned: Figure,
    /// `tcmalloc.thread_cache_free_bytes + tcmalloc.transfer_cache_free_bytes`.
    pub thread_caches: Figure,
}

static LAST: Refreshed<Tcmalloc> = Refreshed::new();

/// For the JavaScript thread; see [`Refreshed::sync`].
pub fn read(max_age: Duration) -> Sample<Tcmalloc> {
    LAST.sync(max_age, |_| Duration::ZERO, now)
}

/// For other threads; rests where it has proved to be slow.
pub fn refresh_if_due() -> Sample<Tcmalloc> {
    LAST.refresh_if_due(now)
}

/// For other threads: fresh figures, whatever it takes.
pub fn refresh() -> Sample<Tcmalloc> {
    LAST.refresh(now)
}

/// The properties that the figures are made of.
struct Properties {
    heap: Figure,
    physical: Figure,
    free: Figure,
    unmapped: Figure,
    central: Figure,
    transfer: Figure,
    threads: Figure,
}

fn now() -> Tcmalloc {
    Properties {
        heap: property(c"generic.heap_size"),
        physical: property(c"generic.total_physical_bytes"),
        free: property(c"tcmalloc.pageheap_free_bytes"),
        unmapped: property(c"tcmalloc.pageheap_unmapped_bytes"),
        central: property(c"tcmalloc.central_cache_free_bytes"),
        transfer: property(c"tcmalloc.transfer_cache_free_bytes"),
        threads: property(c"tcmalloc.thread_cache_free_bytes"),
    }
    .into()
}

impl From<Properties> for Tcmalloc {
    fn from(read: Properties) -> Self {
        // Saturating: the parts are not of one instant.
        let less = |whole: Figure, part: Figure| Ok(whole?.saturating_sub(part?));
        let mapped = less(read.heap, read.unmapped);
        let active = less(mapped, read.free);
        Self {
            allocated: less(active, read.central),
            active,
            dirty: read.free,
            metadata: less(read.physical, mapped),
            resident: read.physical,
            mapped,
            retained: read.unmapped,
            pinned: read.central,
            thread_caches: read.threads.and_then(|threads| Ok(threads.saturating_add(read.transfer?))),
        }
    }
}

fn property(name: &CStr) -> Figure {
    type Property = unsafe extern "C" fn(*const c_char, *mut usize) -> c_int;
    static PROPERTY: OnceLock<Option<Property>> = OnceLock::new();
    // SAFETY: the type is that of gperftools/malloc_extension_c.h.
    let find = || unsafe { symbols::function(c"MallocExtension_GetNumericProperty") };
    let absent = Absent::Because("this tcmalloc does not tell");
    let read = PROPERTY.get_or_init(find).ok_or(absent)?;
    let mut value = 0usize;
    // SAFETY: `name` is null-terminated and `value` is writable. It answers 0 for a name that it does
    // not know.
    let is_known = unsafe { read(name.as_ptr(), &mut value) } != 0;
    if is_known { u64::try_from(value).map_err(|_| absent) } else { Err(absent) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_sum_to_the_whole() {
        let read = Tcmalloc::from(Properties {
            heap: Ok(1000),
            physical: Ok(730),
            free: Ok(200),
            unmapped: Ok(300),
            central: Ok(50),
            transfer: Ok(7),
            threads: Ok(13),
        });
        let figures = Tcmalloc {
            allocated: Ok(450),
            active: Ok(500),
            dirty: Ok(200),
            metadata: Ok(30),
            resident: Ok(730),
            mapped: Ok(700),
            retained: Ok(300),
            pinned: Ok(50),
            thread_caches: Ok(20),
        };
        assert_eq!(read, figures);
    }

    #[test]
    fn without_tcmalloc_there_is_no_figure() {
        assert!(refresh().value.allocated.is_err());
    }
}
