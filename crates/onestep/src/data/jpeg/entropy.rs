//! The entropy-coded data of a JPEG: codes of Huffman tables, and what they say about a block.
//!
//! They are followed, not decoded: that each code exists and each block ends is all that is asked.

use std::fmt;

/// How many bytes may be left over after the last block: some cameras leave a few, which are no part of the picture.
const MAX_LEFT_OVER: usize = 4;

/// What one scan holds.
pub(super) struct Scan {
    /// For each component its number and its two tables.
    pub(super) components: Vec<(usize, usize, usize)>,
    /// First and last coefficient.
    pub(super) first: usize,
    pub(super) last: usize,
    /// Whether it adds a bit to what is there.
    pub(super) refines: bool,
}

/// Why the codes cannot be followed.
pub(super) enum Fault {
    FileEnds,
    DataEnd,
    NoCode,
    TooLong,
    Restart,
    LeftOver(usize),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FileEnds => write!(f, "the JPEG ends"),
            Self::DataEnd => write!(f, "the data of the JPEG end"),
            Self::NoCode => write!(f, "the data of the JPEG are damaged (there is no such code)"),
            Self::TooLong => write!(f, "the data of the JPEG are damaged (a block is too long)"),
            Self::Restart => write!(f, "the data of the JPEG are damaged (a restart marker is not there)"),
            Self::LeftOver(n) => write!(f, "the data of the JPEG are damaged ({n} bytes are left over)"),
        }
    }
}

/// The codes of one Huffman table.
pub(super) struct Huffman {
    /// For the next nine bits, the value of the code they begin with and its length; 0 for a longer code.
    short: [(u8, u8); 512],
    /// For each length the codes below which a code of that length lies, and where its values begin.
    limits: [(u32, i32); 17],
    values: Vec<u8>,
}

impl Huffman {
    /// As a segment gives them: how many codes there are of each length, and their values.
    pub(super) fn new(lengths: &[u8; 16], values: &[u8]) -> Self {
        let mut table = Self { short: [(0, 0); 512], limits: [(0, 0); 17], values: values.to_vec() };
        let (mut code, mut n_before) = (0u32, 0usize);
        for length in 1..=16 {
            let n_codes = usize::from(lengths[length - 1]);
            table.limits[length] = (code + n_codes as u32, n_before as i32 - code as i32);
            for &value in &values[n_before..n_before + n_codes] {
                if length <= 9 {
                    let start = (code as usize) << (9 - length);
                    let end = (start + (1 << (9 - length))).min(512);
                    table.short[start.min(end)..end].fill((value, length as u8));
                }
                code += 1;
            }
            n_before += n_codes;
            code <<= 1;
        }
        table
    }
}

/// Entropy-coded data, bit by bit up to the next marker.
pub(super) struct Bits<'a> {
    jpeg: &'a [u8],
    at: usize,
    /// The next bits, from the highest on.
    buffer: u64,
    n_bits: usize,
}

impl<'a> Bits<'a> {
    /// Those that begin at a place of the file.
    pub(super) fn new(jpeg: &'a [u8], at: usize) -> Self {
        Self { jpeg, at, buffer: 0, n_bits: 0 }
    }

    fn fill(&mut self) {
        while self.n_bits <= 56 {
            let Some(&byte) = self.jpeg.get(self.at) else { return };
            if byte == 0xff {
                // A zero behind it makes it a byte of data.
                if self.jpeg.get(self.at + 1) != Some(&0) {
                    return;
                }
                self.at += 1;
            }
            self.at += 1;
            self.buffer |= u64::from(byte) << (56 - self.n_bits);
            self.n_bits += 8;
        }
    }

    fn take(&mut self, n: usize) -> Result<usize, Fault> {
        if n > self.n_bits {
            self.fill();
            if n > self.n_bits {
                let is_at_end = self.at + 1 >= self.jpeg.len();
                return Err(if is_at_end { Fault::FileEnds } else { Fault::DataEnd });
            }
        }
        let bits = if n == 0 { 0 } else { (self.buffer >> (64 - n)) as usize };
        self.buffer <<= n;
        self.n_bits -= n;
        Ok(bits)
    }

    /// The value of the next code.
    fn value(&mut self, table: Option<&Huffman>) -> Result<u8, Fault> {
        let table = table.ok_or(Fault::NoCode)?;
        if self.n_bits < 16 {
            self.fill();
        }
        let (value, length) = table.short[(self.buffer >> 55) as usize];
        if length > 0 {
            self.take(length.into())?;
            return Ok(value);
        }
        for length in 10..=16 {
            let code = (self.buffer >> (64 - length)) as u32;
            let (limit, offset) = table.limits[length];
            if code < limit {
                self.take(length)?;
                return table.values.get((code as i32 + offset) as usize).copied().ok_or(Fault::NoCode);
            }
        }
        // Where the data end the missing bits look like zeros, and those are most often a code.
        self.take(16).and(Err(Fault::NoCode))
    }

    /// Follows a block of a sequential picture.
    pub(super) fn follow_block(&mut self, dc: Option<&Huffman>, ac: Option<&Huffman>) -> Result<(), Fault> {
        let n_bits = self.value(dc)?;
        self.take(usize::from(n_bits).min(16))?;
        let mut next = 1;
        while next < 64 {
            let value = usize::from(self.value(ac)?);
            match (value >> 4, value & 15) {
                (15, 0) => next += 16,
                (_, 0) => return Ok(()),
                (n_zeros, n_bits) => {
                    next += n_zeros + 1;
                    self.take(n_bits)?;
                }
            }
        }
        if next > 64 { Err(Fault::TooLong) } else { Ok(()) }
    }

    /// What one scan of a progressive picture says about one block.
    pub(super) fn follow_part(
        &mut self,
        scan: &Scan,
        dc: Option<&Huffman>,
        ac: Option<&Huffman>,
        nonzero: &mut u64,
        end_run: &mut usize,
    ) -> Result<(), Fault> {
        match (scan.first, scan.refines) {
            (0, true) => self.take(1).map(drop),
            (0, false) => {
                let n_bits = self.value(dc)?;
                self.take(usize::from(n_bits).min(16)).map(drop)
            }
            (_, false) => self.follow_first(scan, ac, nonzero, end_run),
            (_, true) => self.follow_refinement(scan, ac, nonzero, end_run),
        }
    }

    fn follow_first(
        &mut self,
        scan: &Scan,
        ac: Option<&Huffman>,
        nonzero: &mut u64,
        end_run: &mut usize,
    ) -> Result<(), Fault> {
        if *end_run > 0 {
            *end_run -= 1;
            return Ok(());
        }
        let mut next = scan.first;
        while next <= scan.last {
            let value = usize::from(self.value(ac)?);
            match (value >> 4, value & 15) {
                (15, 0) => next += 16,
                (n_bits, 0) => {
                    *end_run = (1 << n_bits) - 1 + self.take(n_bits)?;
                    return Ok(());
                }
                (n_zeros, n_bits) => {
                    next += n_zeros;
                    if next > scan.last {
                        return Err(Fault::TooLong);
                    }
                    *nonzero |= 1 << next;
                    self.take(n_bits)?;
                    next += 1;
                }
            }
        }
        Ok(())
    }

    fn follow_refinement(
        &mut self,
        scan: &Scan,
        ac: Option<&Huffman>,
        nonzero: &mut u64,
        end_run: &mut usize,
    ) -> Result<(), Fault> {
        let mut next = scan.first;
        while *end_run == 0 && next <= scan.last {
            let value = usize::from(self.value(ac)?);
            let (mut n_zeros, n_bits) = (value >> 4, value & 15);
            match n_bits {
                0 if n_zeros < 15 => {
                    *end_run = (1 << n_zeros) + self.take(n_zeros)?;
                    break;
                }
                0 => {}
                1 => drop(self.take(1)?),
                _ => return Err(Fault::NoCode),
            }
            // Coefficients that are not zero get a bit each and do not count.
            while next <= scan.last {
                if *nonzero & (1 << next) != 0 {
                    self.take(1)?;
                } else if n_zeros == 0 {
                    break;
                } else {
                    n_zeros -= 1;
                }
                next += 1;
            }
            if n_bits == 1 {
                if next > scan.last {
                    return Err(Fault::TooLong);
                }
                *nonzero |= 1 << next;
            }
            next += 1;
        }
        if *end_run > 0 {
            let rest = (*nonzero >> next) & (u64::MAX >> (63 - scan.last) >> next);
            (0..rest.count_ones()).try_for_each(|_| self.take(1).map(drop))?;
            *end_run -= 1;
        }
        Ok(())
    }

    /// Goes past a restart marker.
    pub(super) fn restart(&mut self, number: u8) -> Result<(), Fault> {
        let at = self.end()?;
        // A marker may have padding before it.
        let padding = self.jpeg[at..].iter().take_while(|&&byte| byte == 0xff).count();
        match self.jpeg.get(at + padding) {
            Some(&byte) if byte == 0xd0 + number => self.at = at + padding + 1,
            Some(_) => return Err(Fault::Restart),
            None => return Err(Fault::FileEnds),
        }
        (self.buffer, self.n_bits) = (0, 0);
        Ok(())
    }

    /// Where the marker behind the data begins.
    pub(super) fn end(&mut self) -> Result<usize, Fault> {
        let mut n_left_over = 0;
        self.fill();
        while self.n_bits >= 8 {
            n_left_over += self.n_bits / 8;
            (self.buffer, self.n_bits) = (0, 0);
            self.fill();
        }
        let may_be_left = if self.jpeg[self.at..].starts_with(&[0xff, 0xd9]) { MAX_LEFT_OVER } else { 0 };
        if n_left_over > may_be_left {
            return Err(Fault::LeftOver(n_left_over));
        }
        Ok(self.at)
    }
}
