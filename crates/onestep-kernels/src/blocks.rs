//! Large blocks of memory, kept for the next tensor of their size.

#![allow(unsafe_code, reason = "a global allocator")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A global allocator for programs that compute with large tensors; small requests go to the system.
///
/// A network makes and drops the same tensors in every pass. The system takes large blocks back at once and hands them out
/// again page by page, each page cleared at its first touch, which costs a tenth of a forward pass. Here they are kept, and on
/// Linux they lie in huge pages where the kernel allows it.
///
/// What is kept and what is in use never come to more than half above the most that was in use at one time, so memory is
/// bounded by what the program needs anyway.
///
/// # Examples
///
/// ```
/// #[global_allocator]
/// static BLOCKS: onestep_kernels::Blocks = onestep_kernels::Blocks::new();
///
/// let first = vec![1.0f32; 1 << 20];
/// let place = first.as_ptr();
/// drop(first);
/// assert_eq!(vec![2.0f32; 1 << 20].as_ptr(), place);
/// ```
#[derive(Debug, Default)]
pub struct Blocks(Mutex<Kept>);

/// Bytes of the smallest block that is kept.
const SMALLEST: usize = 64 * 1024;
/// Sizes of a block for each doubling.
const STEPS: usize = 8;
const CLASSES: usize = 34 * STEPS;
/// The strongest alignment that every block has.
const ALIGNMENT: usize = 4096;

#[derive(Debug)]
struct Kept {
    /// The first block of each size; the address of the next lies at its beginning.
    first: [usize; CLASSES],
    kept: usize,
    in_use: usize,
    most: usize,
}

impl Default for Kept {
    fn default() -> Self {
        Self::new()
    }
}

/// The class of a size and the bytes of its blocks, if there is one.
fn class(size: usize) -> Option<(usize, usize)> {
    if size < SMALLEST {
        return None;
    }
    let doubling = (size / SMALLEST).ilog2() as usize;
    let step = (SMALLEST << doubling) / STEPS;
    // A size between two steps takes the larger, which may be the first of the next doubling.
    let steps = size.div_ceil(step);
    let index = doubling * STEPS + (steps - STEPS);
    (index < CLASSES).then_some((index, steps * step))
}

/// The bytes of the blocks of a class.
fn bytes_of(index: usize) -> usize {
    (SMALLEST << (index / STEPS)) / STEPS * (STEPS + index % STEPS)
}

impl Kept {
    const fn new() -> Self {
        Self { first: [0; CLASSES], kept: 0, in_use: 0, most: 0 }
    }

    fn take(&mut self, index: usize, bytes: usize) -> Option<*mut u8> {
        let block = self.first[index];
        if block == 0 {
            return None;
        }
        // SAFETY: a kept block belongs to nobody else, and begins with the address of the next.
        self.first[index] = unsafe { *(block as *const usize) };
        self.kept -= bytes;
        Some(block as *mut u8)
    }

    fn keep(&mut self, block: *mut u8, index: usize, bytes: usize) {
        // SAFETY: the block was given back, is larger than an address and aligned for it.
        unsafe { block.cast::<usize>().write(self.first[index]) };
        self.first[index] = block as usize;
        self.kept += bytes;
    }

    /// Gives kept blocks back to the system, largest first, until all memory is within bounds.
    fn trim(&mut self) {
        let bound = self.most + self.most / 2;
        let above = self.in_use + self.kept > bound;
        for index in (0..CLASSES).rev().filter(|_| above) {
            while self.in_use + self.kept > bound {
                let bytes = bytes_of(index);
                let Some(block) = self.take(index, bytes) else { break };
                // SAFETY: nobody has it any more.
                unsafe { system::give_back(block, bytes) };
            }
        }
    }
}

impl Blocks {
    /// Nothing kept yet.
    pub const fn new() -> Self {
        Self(Mutex::new(Kept::new()))
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// SAFETY: every block comes from the system with the layout of its class and goes to one owner at a time; the lists are behind
// a lock that allocates nothing.
unsafe impl GlobalAlloc for Blocks {
    unsafe fn alloc(&self, wanted: Layout) -> *mut u8 {
        let Some((index, bytes)) = class(wanted.size()).filter(|_| wanted.align() <= ALIGNMENT) else {
            // SAFETY: the caller's promise.
            return unsafe { System.alloc(wanted) };
        };
        let mut kept = self.kept();
        kept.in_use += bytes;
        kept.most = kept.most.max(kept.in_use);
        if let Some(block) = kept.take(index, bytes) {
            return block;
        }
        kept.trim();
        drop(kept);
        let block = system::obtain(bytes);
        if block.is_null() {
            self.kept().in_use -= bytes;
        }
        block
    }

    unsafe fn dealloc(&self, block: *mut u8, given: Layout) {
        let Some((index, bytes)) = class(given.size()).filter(|_| given.align() <= ALIGNMENT) else {
            // SAFETY: the caller's promise.
            return unsafe { System.dealloc(block, given) };
        };
        let mut kept = self.kept();
        kept.in_use -= bytes;
        kept.keep(block, index, bytes);
        kept.trim();
    }

    unsafe fn realloc(&self, block: *mut u8, given: Layout, size: usize) -> *mut u8 {
        let (before, after) = (class(given.size()), class(size));
        if given.align() > ALIGNMENT || before.is_none() && after.is_none() {
            // SAFETY: the caller's promise.
            return unsafe { System.realloc(block, given, size) };
        }
        if before == after {
            return block;
        }
        // SAFETY: the caller's promise; the new size is not zero.
        unsafe {
            let moved = self.alloc(Layout::from_size_align_unchecked(size, given.align()));
            if !moved.is_null() {
                moved.copy_from_nonoverlapping(block, given.size().min(size));
                self.dealloc(block, given);
            }
            moved
        }
    }
}

/// Where blocks come from and go to.
mod system {
    use std::alloc::{GlobalAlloc, Layout, System};

    /// Bytes of a huge page.
    pub(super) const HUGE: usize = 2 * 1024 * 1024;

    /// A block of whole pages, or null. From one huge page on it begins with one, where the system has them.
    pub(super) fn obtain(bytes: usize) -> *mut u8 {
        if cfg!(target_os = "linux") && bytes >= HUGE {
            return pages::map(bytes);
        }
        // SAFETY: not of size zero.
        unsafe { System.alloc(layout(bytes)) }
    }

    /// # Safety
    ///
    /// The block came from [`obtain`] with this size, and nobody uses it.
    pub(super) unsafe fn give_back(block: *mut u8, bytes: usize) {
        // SAFETY: the caller's promise.
        unsafe {
            if cfg!(target_os = "linux") && bytes >= HUGE {
                pages::unmap(block, bytes);
            } else {
                System.dealloc(block, layout(bytes));
            }
        }
    }

    fn layout(bytes: usize) -> Layout {
        // SAFETY: a power of two, and classes end far below the largest size.
        unsafe { Layout::from_size_align_unchecked(bytes, super::ALIGNMENT) }
    }

    /// Mapped apart from the heap of the system, which would keep the gaps that they leave.
    #[cfg(target_os = "linux")]
    mod pages {
        use super::HUGE;

        pub(super) fn map(bytes: usize) -> *mut u8 {
            let (any, prot) = (std::ptr::null_mut(), libc::PROT_READ | libc::PROT_WRITE);
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
            // SAFETY: fresh pages, a huge page more than wanted; what lies before and after the aligned block is unmapped.
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

        pub(super) unsafe fn unmap(block: *mut u8, bytes: usize) {
            // SAFETY: the caller's promise.
            unsafe { libc::munmap(block.cast(), bytes) };
        }
    }

    #[cfg(not(target_os = "linux"))]
    mod pages {
        pub(super) fn map(_: usize) -> *mut u8 {
            unreachable!("only called on Linux")
        }

        pub(super) unsafe fn unmap(_: *mut u8, _: usize) {}
    }
}

#[cfg(test)]
mod tests {
    use super::system::HUGE;
    use super::*;

    #[test]
    fn classes_hold_what_was_asked_for_and_waste_an_eighth_at_most() {
        for size in (SMALLEST..SMALLEST * 70).step_by(777).chain([1 << 30, (1 << 33) + 1]) {
            let (index, bytes) = class(size).unwrap();
            assert!(bytes >= size && bytes - size <= size / STEPS, "{size}: {bytes}");
            assert_eq!(bytes_of(index), bytes);
        }
        assert_eq!(class(SMALLEST - 1), None);
        assert_eq!(class(usize::MAX / 2), None);
    }

    #[test]
    fn blocks_come_back_and_memory_stays_within_its_bound() {
        let blocks = Blocks::new();
        let of = |size| Layout::from_size_align(size, 64).unwrap();
        // SAFETY: every block is given back with its layout, and written within its size.
        unsafe {
            let sizes = [SMALLEST, 3 * HUGE, 5 * SMALLEST + 1, HUGE];
            let first = sizes.map(|size| blocks.alloc(of(size)));
            for (block, size) in first.into_iter().zip(sizes) {
                block.write_bytes(7, size);
                blocks.dealloc(block, of(size));
            }
            let again = sizes.map(|size| blocks.alloc(of(size)));
            assert_eq!(again, first);
            for (block, size) in again.into_iter().zip(sizes) {
                blocks.dealloc(block, of(size));
            }
            // Another size does not come on top of what is kept.
            let most = blocks.kept().most;
            let other = blocks.alloc(of(2 * HUGE));
            {
                let kept = blocks.kept();
                assert_eq!(kept.most, most);
                assert!(kept.in_use + kept.kept <= most + most / 2, "{kept:?}");
            }
            // A block that grows keeps what it holds.
            other.write_bytes(9, 2 * HUGE);
            let grown = blocks.realloc(other, of(2 * HUGE), 9 * HUGE);
            assert!((0..2 * HUGE).step_by(4096).all(|at| *grown.add(at) == 9));
            blocks.dealloc(grown, of(9 * HUGE));
            assert_eq!(blocks.kept().in_use, 0);
        }
    }
}
