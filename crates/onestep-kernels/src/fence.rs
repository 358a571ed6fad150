//! Memory that ends at a forbidden page, for the tests of this crate.
//!
//! The loops work on raw pointers and whole vectors. Under this allocator a read or write past the last element of any buffer
//! ends the test program, and what is read before it was written is NaN.

#![allow(unsafe_code, reason = "a global allocator")]

use std::alloc::{GlobalAlloc, Layout, System};

/// A global allocator that puts every buffer between two forbidden pages, flush with the second.
pub(crate) struct Fence;

#[global_allocator]
static FENCE: Fence = Fence;

/// Smaller buffers come from the system: a process may not have many mappings.
const SMALLEST: usize = 512;
const PAGE: usize = 4096;

fn is_fenced(layout: Layout) -> bool {
    layout.size() >= SMALLEST && layout.align() <= PAGE
}

/// Bytes between the pages.
fn room(layout: Layout) -> usize {
    (layout.size() + layout.align()).next_multiple_of(PAGE)
}

/// A buffer of zeros, or null.
fn map(layout: Layout) -> *mut u8 {
    let (any, flags) = (std::ptr::null_mut(), libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: the pages are fresh, and what is opened and handed out lies between the first and the last.
    unsafe {
        let start = libc::mmap(any, room(layout) + 2 * PAGE, libc::PROT_NONE, flags, -1, 0);
        if start == libc::MAP_FAILED {
            return std::ptr::null_mut();
        }
        let first = start.byte_add(PAGE);
        if libc::mprotect(first, room(layout), libc::PROT_READ | libc::PROT_WRITE) != 0 {
            return std::ptr::null_mut();
        }
        let end = first.cast::<u8>().add(room(layout));
        let padding = (end.addr() - layout.size()) % layout.align();
        end.sub(layout.size() + padding)
    }
}

// SAFETY: every buffer is a mapping of its own, aligned and as long as asked for, or the system's.
unsafe impl GlobalAlloc for Fence {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller asks for a layout that is good for any allocator, and what was mapped is as long as that.
        unsafe {
            if !is_fenced(layout) {
                return System.alloc(layout);
            }
            let block = map(layout);
            if !block.is_null() {
                block.write_bytes(0xff, layout.size());
            }
            block
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller asks for a layout that is good for any allocator.
        if is_fenced(layout) { map(layout) } else { unsafe { System.alloc_zeroed(layout) } }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: by its layout the buffer came from here or from the system, and the caller gives it up; the mapping ends a page
        // behind the one that the buffer ends in.
        unsafe {
            if !is_fenced(layout) {
                return System.dealloc(block, layout);
            }
            let end = (block.addr() + layout.size()).next_multiple_of(PAGE);
            let start = block.with_addr(end - room(layout) - PAGE);
            libc::munmap(start.cast(), room(layout) + 2 * PAGE);
        }
    }
}

/// The element of a buffer after the last, or the one before the first page: what no loop may touch.
#[test]
#[ignore = "dies, as the test below has it"]
fn a_step_over_the_fence() {
    let buffer = vec![1.0f32; 1000];
    // SAFETY: none; this is what the fence is there for.
    let beyond = unsafe { std::hint::black_box(buffer.as_ptr()).add(buffer.len()).read_volatile() };
    println!("{beyond}");
}

#[test]
fn a_step_over_the_fence_ends_the_program() {
    use std::os::unix::process::ExitStatusExt;
    let program = std::env::current_exe().unwrap();
    let arguments = ["--ignored", "--exact", "fence::a_step_over_the_fence"];
    let output = std::process::Command::new(program).args(arguments).output().unwrap();
    assert_eq!(output.status.signal(), Some(libc::SIGSEGV), "{output:?}");
}

#[test]
fn fresh_memory_is_nan() {
    let buffer = Vec::<f32>::with_capacity(1000);
    // SAFETY: the capacity is above 999, the allocator has written all of it, and every pattern is a number.
    assert!(unsafe { buffer.as_ptr().add(999).read_volatile() }.is_nan());
}
