//! The runs of pixels that the work on images is cut into, by their shape alone.

#![allow(unsafe_code, reason = "tasks write disjoint runs of pixels of the outputs")]

use std::ops::Range;

use super::super::images::Images;
use crate::blocking::{Shared, filled};

impl<T: Sync> Images<'_, T> {
    /// Pixels of a run: about 32 KB.
    pub(super) fn run(&self) -> usize {
        (8192 / self.channels.max(1)).clamp(1, self.pixels.max(1))
    }

    /// Runs of an image.
    pub(super) fn runs(&self) -> usize {
        self.pixels.div_ceil(self.run())
    }

    /// The elements of a run, counted through the batch.
    pub(super) fn elements(&self, index: usize) -> Range<usize> {
        let (image, first) = (index / self.runs(), index % self.runs() * self.run());
        let start = image * self.pixels + first;
        let end = image * self.pixels + (first + self.run()).min(self.pixels);
        start * self.channels..end * self.channels
    }

    /// The channels of an image in `[batch, channels]`.
    pub(super) fn of_image(&self, image: usize) -> Range<usize> {
        image * self.channels..(image + 1) * self.channels
    }

    /// Two numbers of each channel for each run, `[batch, runs, 2, channels]`, which `task(image, elements, numbers)` makes.
    ///
    /// # Safety
    ///
    /// The task writes its numbers whole and reads none of them before.
    pub(super) unsafe fn per_run(
        &self,
        task: impl Fn(usize, Range<usize>, [&mut [f32]; 2]) + Sync,
    ) -> Vec<f32> {
        let (runs, width) = (self.runs(), 2 * self.channels);
        let body = |index: usize, shared: Shared| {
            // SAFETY: the numbers of one run are those of one task.
            let numbers = unsafe { shared.slice(index * width, width) };
            task(index / runs, self.elements(index), numbers.split_at_mut(self.channels).into());
        };
        // SAFETY: there is a task for each run, which writes its numbers, by the caller's promise.
        unsafe { filled(self.batch * runs * width, self.batch * runs, body) }
    }

    /// The numbers of [`Self::per_run`] of one image, run after run.
    pub(super) fn rows_of<'a>(&self, image: usize, numbers: &'a [f32]) -> impl Iterator<Item = &'a [f32]> {
        let width = 2 * self.channels;
        numbers[image * self.runs() * width..][..self.runs() * width].chunks_exact(width.max(1))
    }

    /// Numbers as many as those of the images, which `task(image, elements, output)` makes for each run.
    ///
    /// # Safety
    ///
    /// The task writes its output whole and reads nothing of it before.
    pub(super) unsafe fn per_pixel<U: Copy>(
        &self,
        task: impl Fn(usize, Range<usize>, &mut [U]) + Sync,
    ) -> Vec<U> {
        let runs = self.runs();
        let body = |index: usize, shared: Shared<U>| {
            let range = self.elements(index);
            // SAFETY: runs do not overlap, and each is one task's.
            let output = unsafe { shared.slice(range.start, range.len()) };
            task(index / runs, range, output);
        };
        // SAFETY: the runs are all pixels of all images, and each task writes its run, by the caller's promise.
        unsafe { filled(self.values.len(), self.batch * runs, body) }
    }
}
