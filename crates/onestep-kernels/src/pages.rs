//! Whole pages of the system: where the allocator's blocks come from and go to.

#![allow(unsafe_code, reason = "maps memory")]

use std::alloc::{GlobalAlloc, Layout, System};

/// The strongest alignment that every block has.
pub(crate) const ALIGNMENT: usize = 4096;

/// Bytes of a huge page.
pub(crate) const HUGE: usize = 2 * 1024 * 1024;

/// A block of whole pages, or null. From one huge page on it begins with one, where the system has them.
pub(crate) fn obtain(bytes: usize) -> *mut u8 {
    if cfg!(target_os = "linux") && bytes >= HUGE {
        return mapped::map(bytes);
    }
    // SAFETY: classes begin far above size zero.
    unsafe { System.alloc(layout(bytes)) }
}

/// Gives a block back.
///
/// # Safety
///
/// The block came from [`obtain`] with this size, and nobody uses it.
pub(crate) unsafe fn give_back(block: *mut u8, bytes: usize) {
    // SAFETY: the block is one of those that `obtain` has from the same place for the same size, by the caller's promise.
    unsafe {
        if cfg!(target_os = "linux") && bytes >= HUGE {
            mapped::unmap(block, bytes);
        } else {
            System.dealloc(block, layout(bytes));
        }
    }
}

fn layout(bytes: usize) -> Layout {
    // SAFETY: the alignment is a power of two, and classes end far below the largest size.
    unsafe { Layout::from_size_align_unchecked(bytes, ALIGNMENT) }
}

/// Mapped apart from the heap of the system, which would keep the gaps that they leave.
#[cfg(target_os = "linux")]
mod mapped {
    use super::HUGE;

    pub(super) fn map(bytes: usize) -> *mut u8 {
        let (any, prot) = (std::ptr::null_mut(), libc::PROT_READ | libc::PROT_WRITE);
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: the pages are fresh and a huge page more than wanted, so that an aligned block lies among them; what is unmapped
        // lies before and after it.
        unsafe {
            let start = libc::mmap(any, bytes + HUGE, prot, flags, -1, 0);
            if start == libc::MAP_FAILED {
                return std::ptr::null_mut();
            }
            let before = start.addr().next_multiple_of(HUGE) - start.addr();
            let block = start.byte_add(before);
            if before > 0 {
                libc::munmap(start, before);
            }
            if before < HUGE {
                libc::munmap(block.byte_add(bytes), HUGE - before);
            }
            // Advice: nothing depends on whether it is taken.
            libc::madvise(block, bytes, libc::MADV_HUGEPAGE);
            block.cast()
        }
    }

    /// # Safety
    ///
    /// The block came from [`map`] with this size, and nobody uses it.
    pub(super) unsafe fn unmap(block: *mut u8, bytes: usize) {
        // SAFETY: `map` made exactly these pages, and nobody uses them any more, as the caller promises.
        unsafe { libc::munmap(block.cast(), bytes) };
    }
}

#[cfg(not(target_os = "linux"))]
mod mapped {
    pub(super) fn map(_: usize) -> *mut u8 {
        unreachable!("only called on Linux")
    }

    pub(super) unsafe fn unmap(_: *mut u8, _: usize) {}
}
