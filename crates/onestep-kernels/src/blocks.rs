//! Large blocks of memory, kept for the next tensor of their size.

#![allow(unsafe_code, reason = "a global allocator")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::pages::{self, ALIGNMENT};

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
        // SAFETY: `keep` wrote the address of the next block at its beginning, and nobody else has had it since.
        self.first[index] = unsafe { *(block as *const usize) };
        self.kept -= bytes;
        Some(block as *mut u8)
    }

    fn keep(&mut self, block: *mut u8, index: usize, bytes: usize) {
        // SAFETY: whoever had the block has given it back, and every block is larger than an address and aligned for it.
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
                // SAFETY: it was obtained with the size of its class, and has just been taken off the list, so nobody has it.
                unsafe { pages::give_back(block, bytes) };
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
            // SAFETY: the caller asks for a layout that is good for any allocator.
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
        let block = pages::obtain(bytes);
        if block.is_null() {
            self.kept().in_use -= bytes;
        }
        block
    }

    unsafe fn dealloc(&self, block: *mut u8, given: Layout) {
        let Some((index, bytes)) = class(given.size()).filter(|_| given.align() <= ALIGNMENT) else {
            // SAFETY: by this layout `alloc` had the block from the system, and the caller gives it up.
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
            // SAFETY: by this layout `alloc` had the block from the system, and blocks of the new size come from there too.
            return unsafe { System.realloc(block, given, size) };
        }
        if before == after {
            return block;
        }
        // SAFETY: the caller promises a size above zero that is good for this alignment; both blocks hold what is copied, and
        // are different ones.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::HUGE;

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
