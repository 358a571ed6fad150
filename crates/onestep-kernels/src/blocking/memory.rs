//! Buffers that several threads write, and buffers to work in.

#![allow(unsafe_code, reason = "outputs are filled before they are read, and threads write disjoint parts")]

use std::cell::RefCell;
use std::ops::Range;
use std::thread::LocalKey;

use super::threads::each;
use crate::simd::Line;

/// A pointer that tasks on several threads write through, each to its own elements.
#[derive(Clone, Copy)]
pub(crate) struct Shared<T = f32>(*mut T);

// SAFETY: numbers and lines belong to no thread, and the pointer is only handed out by `slice` and `pointer`, whose callers promise that
// what they touch is theirs alone.
unsafe impl<T: Copy> Send for Shared<T> {}
// SAFETY: a shared reference gives no more than a copy does.
unsafe impl<T: Copy> Sync for Shared<T> {}

impl<T: Copy> Shared<T> {
    /// Shares a buffer among the tasks that run until it is used otherwise.
    pub(crate) fn new(values: &mut [T]) -> Self {
        Self(values.as_mut_ptr())
    }

    /// Some elements of the buffer.
    ///
    /// # Safety
    ///
    /// Within the buffer, and no other task touches these elements meanwhile.
    #[allow(clippy::mut_from_ref, reason = "the caller promises that no two slices overlap")]
    pub(crate) unsafe fn slice(&self, start: usize, length: usize) -> &mut [T] {
        unsafe { std::slice::from_raw_parts_mut(self.0.add(start), length) }
    }

    /// The place of an element of the buffer.
    ///
    /// # Safety
    ///
    /// Within the buffer; what is written through it belongs to the caller alone.
    pub(crate) unsafe fn pointer(&self, start: usize) -> *mut T {
        unsafe { self.0.add(start) }
    }
}

/// Elements below which waking another thread costs more than it saves.
pub(crate) const SMALL: usize = 32 * 1024;

/// Makes a vector of `length` by running `tasks` tasks, which together must write every element.
///
/// # Safety
///
/// The tasks write every element between them, none twice at a time, and read none before it is written.
pub(crate) unsafe fn filled<T: Copy>(
    length: usize,
    tasks: usize,
    task: impl Fn(usize, Shared<T>) + Sync,
) -> Vec<T> {
    // SAFETY: the tasks are the caller's, who promises the same of them.
    let [values] = unsafe { filled_each([length], tasks, |index, [shared]| task(index, shared)) };
    values
}

/// Makes several vectors at once; see [`filled`].
///
/// # Safety
///
/// The tasks write every element of every vector between them, none twice at a time, and read none before it is written.
pub(crate) unsafe fn filled_each<T: Copy, const N: usize>(
    lengths: [usize; N],
    tasks: usize,
    task: impl Fn(usize, [Shared<T>; N]) + Sync,
) -> [Vec<T>; N] {
    let mut vectors = lengths.map(Vec::<T>::with_capacity);
    let shared = vectors.each_mut().map(|values| Shared(values.as_mut_ptr()));
    each(tasks, |index| task(index, shared));
    for (values, length) in vectors.iter_mut().zip(lengths) {
        // SAFETY: the capacity is `length`, and `each` returns when all tasks have run, which have written every element.
        unsafe { values.set_len(length) };
    }
    vectors
}

/// Makes vectors of one length by `body(range, chunks)` for fixed ranges of it, with the chunk of each vector.
///
/// # Safety
///
/// The body writes its chunks whole and reads nothing of them before.
pub(crate) unsafe fn filled_chunks<const N: usize>(
    length: usize,
    body: impl Fn(Range<usize>, [&mut [f32]; N]) + Sync,
) -> [Vec<f32>; N] {
    const CHUNK: usize = 16 * 1024;
    // SAFETY: the ranges are disjoint and cover the length, and the body writes its part of each, by the caller's promise.
    unsafe {
        filled_each([length; N], length.div_ceil(CHUNK), |index, shared| {
            let range = index * CHUNK..((index + 1) * CHUNK).min(length);
            let chunks = shared.each_ref().map(|shared| shared.slice(range.start, range.len()));
            body(range, chunks);
        })
    }
}

/// Buffers of one thread that nobody has borrowed.
type Lent<T> = RefCell<Vec<Vec<T>>>;

thread_local! {
    static SCRATCH: Lent<f32> = const { RefCell::new(Vec::new()) };
    static LINES: Lent<Line> = const { RefCell::new(Vec::new()) };
}

/// Lends a buffer of this thread, of unspecified content; loans may be nested.
pub(crate) fn with_scratch<R>(length: usize, body: impl FnOnce(&mut [f32]) -> R) -> R {
    lend(&SCRATCH, length, 0.0, body)
}

/// Lends lines of this thread, of unspecified content; loans may be nested.
pub(crate) fn with_lines<R>(count: usize, body: impl FnOnce(&mut [Line]) -> R) -> R {
    lend(&LINES, count, Line([0; 16]), body)
}

/// Lends `length` numbers of a buffer that is kept afterwards; what it grows by begins as `zero`.
fn lend<T: Copy, R>(
    kept: &'static LocalKey<Lent<T>>,
    length: usize,
    zero: T,
    body: impl FnOnce(&mut [T]) -> R,
) -> R {
    let mut buffer = kept.with_borrow_mut(Vec::pop).unwrap_or_default();
    if buffer.len() < length {
        buffer.resize(length, zero);
    }
    let result = body(&mut buffer[..length]);
    kept.with_borrow_mut(|buffers| buffers.push(buffer));
    result
}

/// Floats from one row to the next of a buffer of rows: an odd number of cache lines, because rows a power of two apart fall
/// into the same few sets of a cache.
pub(crate) fn spread(length: usize) -> usize {
    (length.div_ceil(16) | 1) * 16
}

/// The places of numbers as places of pairs.
pub(crate) fn as_pairs(values: &mut [f32]) -> &mut [u32] {
    // SAFETY: f32 and u32 have one size and alignment, every bit pattern is good for both, and the places are borrowed mutably.
    unsafe { std::slice::from_raw_parts_mut(values.as_mut_ptr().cast::<u32>(), values.len()) }
}
