//! Products of tiles: the whole depth of a sum of 32 rows by 32 columns, or of fewer.

#![allow(unsafe_code, reason = "tiles have no type in the language; every caller states what it guarantees")]

#[cfg(target_arch = "x86_64")]
use std::arch::asm;

#[cfg(target_arch = "x86_64")]
use crate::simd::Amx;
use crate::simd::{Line, Lines};

/// Lines of the sums of two tiles by two: `[32][32]` numbers.
pub(crate) const SUMS: usize = 64;

/// One or two tiles of 16 rows times one or two tiles of 16 columns, over all steps of the depth, of 32 numbers each.
pub(crate) struct TileProduct {
    /// For each tile of rows where its lines begin, one after the other, which each step is an offset from.
    pub left: [*const Line; 2],
    /// For each step bytes from there.
    pub offsets: *const usize,
    /// Two tiles for each step, of lines of pairs of the depth.
    pub right: *const Line,
    pub steps: usize,
    /// Lines that will be wanted soon: where two tiles meet two, some for each step are fetched from here on.
    pub ahead: *const Line,
    /// `[32][32]`, of which the rows and columns that were asked for are written.
    pub sums: *mut f32,
    /// Whether there are two tiles of rows.
    pub tall: bool,
    /// Whether there are two tiles of columns.
    pub wide: bool,
    /// Whether the tiles of columns come from the second-level cache: they are used many times, and need not take the place of the
    /// rows' in the first.
    pub passing: bool,
}

/// Sums of outer products over pixels, 32 at a step: two tiles of rows, by whose lines pixels stand, times two tiles of columns
/// of pairs of pixels.
pub(crate) struct OuterProduct {
    /// For each tile of rows one tile a step, one after the other.
    pub left: [*const Line; 2],
    /// For each tile of columns where its lines begin, which each step is an offset from.
    pub right: [*const Line; 2],
    /// For each step bytes from there.
    pub offsets: *const usize,
    pub steps: usize,
    /// `[32][32]`
    pub sums: *mut f32,
    /// Whether the sums are added to what is there.
    pub accumulate: bool,
}

/// What multiplies tiles.
///
/// # Safety
///
/// As for [`Lines`]. The tiles of the thread are configured, all pointers are valid for what the documentation of the job says is
/// read or written, those to lines and sums are aligned to a line, and there is a step at least.
pub(crate) trait Tiles: Lines {
    /// Runs a [`TileProduct`].
    unsafe fn multiply(job: &TileProduct);
    /// Runs an [`OuterProduct`].
    unsafe fn multiply_outer(job: &OuterProduct);
}

/// A function that runs a [`TileProduct`] of one shape.
#[cfg(target_arch = "x86_64")]
macro_rules! tile_product {
    ($name:ident, [$($zero:literal),*], [$($load:expr),*], [$($multiply:literal),*], [$($store:literal),*]) => {
        unsafe fn $name(job: &TileProduct) {
            // SAFETY: what is loaded and stored is what the caller promises of the job, and the tiles are declared to be overwritten.
            unsafe {
                asm!(
                    $($zero,)*
                    "2:",
                    "mov {first}, qword ptr [{offsets}]",
                    "lea {second}, [{below} + {first}]",
                    "add {first}, {above}",
                    $($load,)*
                    $($multiply,)*
                    "add {offsets}, 8",
                    "add {right}, 2048",
                    "dec {steps}",
                    "jnz 2b",
                    $($store,)*
                    first = out(reg) _,
                    second = out(reg) _,
                    above = in(reg) job.left[0],
                    below = in(reg) job.left[1],
                    offsets = inout(reg) job.offsets => _,
                    right = inout(reg) job.right => _,
                    steps = inout(reg) job.steps => _,
                    sums = in(reg) job.sums,
                    line = in(reg) 64usize,
                    row = in(reg) 128usize,
                    out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                    out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                    options(nostack)
                );
            }
        }
    };
}

/// Some work for the decoder and for nothing else.
///
/// Were the loads of the next steps begun at once, as many as the processor has room for, they would be in the way of the
/// products: kept apart, products from the second-level cache take a sixth less time.
#[cfg(target_arch = "x86_64")]
macro_rules! pause {
    () => {
        ".rept 4\n nop\n .endr\n"
    };
}

/// All steps of two tiles by two: `$addresses` finds where a step's tiles lie, the next four load them, the first and the second of the
/// left and right factors in turn, and `$advance` goes on to the next step. A tile is loaded as soon as the one in its place has been
/// multiplied for the last time.
#[cfg(target_arch = "x86_64")]
macro_rules! steps {
    ($addresses:expr, [$left0:expr, $right0:expr, $left1:expr, $right1:expr], $advance:expr) => {
        concat!(
            $addresses,
            $left0,
            $right0,
            $left1,
            $right1,
            "dec {steps}\n jz 3f\n 2:\n",
            $advance,
            $addresses,
            "tdpbf16ps tmm0, tmm4, tmm6\n tdpbf16ps tmm1, tmm4, tmm7\n",
            pause!(),
            $left0,
            "tdpbf16ps tmm2, tmm5, tmm6\n",
            pause!(),
            $right0,
            "tdpbf16ps tmm3, tmm5, tmm7\n",
            pause!(),
            $left1,
            pause!(),
            $right1,
            "dec {steps}\n jnz 2b\n 3:\n",
            "tdpbf16ps tmm0, tmm4, tmm6\n tdpbf16ps tmm1, tmm4, tmm7\n",
            "tdpbf16ps tmm2, tmm5, tmm6\n tdpbf16ps tmm3, tmm5, tmm7\n",
            "tilestored [{sums} + {row}*1], tmm0\n tilestored [{sums} + {row}*1 + 64], tmm1\n",
            "tilestored [{sums} + {row}*1 + 2048], tmm2\n tilestored [{sums} + {row}*1 + 2112], tmm3\n",
        )
    };
}

/// A function that runs a [`TileProduct`] of two tiles by two, whose right-hand tiles are loaded by one instruction or another, and which
/// fetches so many lines ahead at each step.
#[cfg(target_arch = "x86_64")]
macro_rules! two_by_two {
    ($name:ident, $load_right:literal, $lines_ahead:literal) => {
        unsafe fn $name(job: &TileProduct) {
            // SAFETY: what is loaded and stored is what the caller promises of the job, fetching ahead faults nowhere, and the tiles
            // are declared to be overwritten.
            unsafe {
                asm!(
                    "tilezero tmm0",
                    "tilezero tmm1",
                    "tilezero tmm2",
                    "tilezero tmm3",
                    steps!(
                        "mov {first}, qword ptr [{offsets}]\n lea {second}, [{below} + {first}]\n add {first}, {above}\n",
                        [
                            "tileloadd tmm4, [{first} + {line}*1]\n",
                            concat!($load_right, " tmm6, [{right} + {line}*1]\n"),
                            "tileloadd tmm5, [{second} + {line}*1]\n",
                            concat!($load_right, " tmm7, [{right} + {line}*1 + 1024]\n")
                        ],
                        concat!(
                            "add {offsets}, 8\n add {right}, 2048\n .rept ", $lines_ahead,
                            "\n prefetcht1 [{ahead}]\n add {ahead}, 64\n .endr\n"
                        )
                    ),
                    first = out(reg) _,
                    second = out(reg) _,
                    above = in(reg) job.left[0],
                    below = in(reg) job.left[1],
                    offsets = inout(reg) job.offsets => _,
                    right = inout(reg) job.right => _,
                    ahead = inout(reg) job.ahead => _,
                    steps = inout(reg) job.steps => _,
                    sums = in(reg) job.sums,
                    line = in(reg) 64usize,
                    row = in(reg) 128usize,
                    out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                    out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                    options(nostack)
                );
            }
        }
    };
}
// Where the right-hand tiles are used often they come from the second-level cache, and need not take the place of the rows' in the
// first; what comes next is then fetched in as many small parts.
#[cfg(target_arch = "x86_64")]
two_by_two!(two_by_two, "tileloadd", "8");
#[cfg(target_arch = "x86_64")]
two_by_two!(two_by_two_passing, "tileloaddt1", "2");
#[cfg(target_arch = "x86_64")]
tile_product!(
    one_by_two,
    ["tilezero tmm0", "tilezero tmm1"],
    [
        "tileloadd tmm6, [{right} + {line}*1]",
        "tileloadd tmm4, [{first} + {line}*1]",
        "tileloadd tmm7, [{right} + {line}*1 + 1024]"
    ],
    ["tdpbf16ps tmm0, tmm4, tmm6", "tdpbf16ps tmm1, tmm4, tmm7"],
    ["tilestored [{sums} + {row}*1], tmm0", "tilestored [{sums} + {row}*1 + 64], tmm1"]
);
#[cfg(target_arch = "x86_64")]
tile_product!(
    two_by_one,
    ["tilezero tmm0", "tilezero tmm2"],
    [
        "tileloadd tmm6, [{right} + {line}*1]",
        "tileloadd tmm4, [{first} + {line}*1]",
        "tileloadd tmm5, [{second} + {line}*1]"
    ],
    ["tdpbf16ps tmm0, tmm4, tmm6", "tdpbf16ps tmm2, tmm5, tmm6"],
    ["tilestored [{sums} + {row}*1], tmm0", "tilestored [{sums} + {row}*1 + 2048], tmm2"]
);
#[cfg(target_arch = "x86_64")]
tile_product!(
    one_by_one,
    ["tilezero tmm0"],
    ["tileloadd tmm6, [{right} + {line}*1]", "tileloadd tmm4, [{first} + {line}*1]"],
    ["tdpbf16ps tmm0, tmm4, tmm6"],
    ["tilestored [{sums} + {row}*1], tmm0"]
);

#[cfg(target_arch = "x86_64")]
impl Tiles for Amx {
    unsafe fn multiply(job: &TileProduct) {
        // SAFETY: the caller's promise.
        unsafe {
            match (job.tall, job.wide) {
                (true, true) if job.passing => two_by_two_passing(job),
                (true, true) => two_by_two(job),
                (true, false) => two_by_one(job),
                (false, true) => one_by_two(job),
                (false, false) => one_by_one(job),
            }
        }
    }

    unsafe fn multiply_outer(job: &OuterProduct) {
        // SAFETY: what is loaded and stored is what the caller promises of the job, and the tiles are declared to be overwritten.
        unsafe {
            asm!(
                "test {scratch:e}, {scratch:e}",
                "jz 5f",
                "tileloadd tmm0, [{sums} + {row}*1]",
                "tileloadd tmm1, [{sums} + {row}*1 + 64]",
                "tileloadd tmm2, [{sums} + {row}*1 + 2048]",
                "tileloadd tmm3, [{sums} + {row}*1 + 2112]",
                "jmp 4f",
                "5:",
                "tilezero tmm0",
                "tilezero tmm1",
                "tilezero tmm2",
                "tilezero tmm3",
                "4:",
                steps!(
                    "mov {scratch}, qword ptr [{offsets}]\n lea {columns}, [{right0} + {scratch}]\n add {scratch}, {right1}\n",
                    [
                        "tileloadd tmm4, [{left0} + {line}*1]\n",
                        "tileloadd tmm6, [{columns} + {line}*1]\n",
                        "tileloadd tmm5, [{left1} + {line}*1]\n",
                        "tileloadd tmm7, [{scratch} + {line}*1]\n"
                    ],
                    "add {offsets}, 8\n add {left0}, 1024\n add {left1}, 1024\n"
                ),
                scratch = inout(reg) usize::from(job.accumulate) => _,
                columns = out(reg) _,
                left0 = inout(reg) job.left[0] => _,
                left1 = inout(reg) job.left[1] => _,
                right0 = in(reg) job.right[0],
                right1 = in(reg) job.right[1],
                offsets = inout(reg) job.offsets => _,
                steps = inout(reg) job.steps => _,
                sums = in(reg) job.sums,
                line = in(reg) 64usize,
                row = in(reg) 128usize,
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                options(nostack)
            );
        }
    }
}

/// The plain twin: the same lines, number by number.
#[cfg(test)]
mod twin {
    use super::{Line, OuterProduct, TileProduct, Tiles};
    use crate::simd::Arrays;

    /// sums\[row\]\[column\] += Σ over pairs of left\[row\]\[pair\] · right\[pair\]\[column\]
    unsafe fn add(left: *const Line, right: *const Line, sums: *mut f32) {
        let numbers = |word: u32| [word << 16, word & 0xffff_0000].map(f32::from_bits);
        for row in 0..16 {
            for pair in 0..16 {
                // SAFETY: tiles of 16 lines, and sums of 16 rows 32 apart, by the caller's promise.
                let (a, b) = unsafe { (numbers((*left.add(row)).0[pair]), (*right.add(pair)).0) };
                for (column, word) in b.into_iter().enumerate() {
                    let b = numbers(word);
                    unsafe { *sums.add(row * 32 + column) += a[0] * b[0] + a[1] * b[1] }
                }
            }
        }
    }

    unsafe fn clear(sums: *mut f32) {
        for row in 0..16 {
            // SAFETY: as in `add`.
            unsafe { sums.add(row * 32).write_bytes(0, 16) }
        }
    }

    impl Tiles for Arrays<16> {
        unsafe fn multiply(job: &TileProduct) {
            for tile in 0..=usize::from(job.tall) {
                for half in 0..=usize::from(job.wide) {
                    // SAFETY: the caller's promise.
                    unsafe {
                        let sums = job.sums.add(tile * 512 + half * 16);
                        clear(sums);
                        for step in 0..job.steps {
                            let left = job.left[tile].byte_add(*job.offsets.add(step));
                            add(left, job.right.add(step * 32 + half * 16), sums);
                        }
                    }
                }
            }
        }

        unsafe fn multiply_outer(job: &OuterProduct) {
            for tile in 0..2 {
                for half in 0..2 {
                    // SAFETY: the caller's promise.
                    unsafe {
                        let sums = job.sums.add(tile * 512 + half * 16);
                        if !job.accumulate {
                            clear(sums);
                        }
                        for step in 0..job.steps {
                            let right = job.right[half].byte_add(*job.offsets.add(step));
                            add(job.left[tile].add(step * 16), right, sums);
                        }
                    }
                }
            }
        }
    }
}
