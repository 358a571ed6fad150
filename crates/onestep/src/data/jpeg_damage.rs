//! Damage in a JPEG that decoders pass over.
//!
//! Decoders were made to show what there is: where the data end, or make no sense, they fill in grey or noise and at most
//! warn. A picture that models learn from must be whole, so every code of its data is looked at before it is decoded: each must
//! exist, each block must end where it should, each restart marker must come in its turn, and nothing may be left over.

use std::fmt;

/// How many bytes may be left over after the last block: some cameras leave a few, which are no part of the picture.
const MAX_LEFT_OVER: usize = 4;

/// What is wrong with the data of the picture, if anything.
///
/// Kinds of JPEG that the decoder does not read at all (arithmetic coding, lossless, hierarchical) are left for it to refuse.
pub(super) fn find_damage(jpeg: &[u8]) -> Result<(), String> {
    let mut walk = Walk { jpeg, at: 2, ..Walk::default() };
    loop {
        let marker = walk.marker()?;
        match marker {
            0xd9 => return walk.finish(),
            // A restart after the last block, and markers without a segment.
            0x01 | 0xd0..=0xd8 => continue,
            _ => {}
        }
        let segment = walk.segment()?;
        let read = match marker {
            0xc0..=0xc2 => walk.read_frame(segment, marker == 0xc2),
            0xc4 => walk.read_tables(segment),
            0xc3 | 0xc5..=0xcf => return Ok(()),
            0xdd => walk.read_interval(segment),
            0xda => Some(()),
            _ => continue,
        };
        read.ok_or("a segment of its header is too short")?;
        if marker == 0xda {
            let scan = walk.read_scan(segment).ok_or("the header of a scan makes no sense")?;
            walk.follow(&scan)?;
        }
    }
}

#[derive(Default)]
struct Walk<'a> {
    jpeg: &'a [u8],
    at: usize,
    frame: Option<Frame>,
    /// Huffman tables: four for the first coefficient of a block, four for the others.
    tables: [[Option<Box<Huffman>>; 4]; 2],
    restart_interval: usize,
    n_scans: usize,
}

struct Frame {
    is_progressive: bool,
    height: usize,
    width: usize,
    components: Vec<Component>,
}

struct Component {
    id: u8,
    /// Blocks in a unit of interleaved data.
    across: usize,
    down: usize,
    /// Blocks in a row, with those that fill the last unit.
    stride: usize,
    /// For each block, a bit for each coefficient that is not zero so far: how later scans of it are written depends on them.
    nonzero: Vec<u64>,
    is_coded: bool,
}

struct Scan {
    /// For each component its number and its two tables.
    components: Vec<(usize, usize, usize)>,
    /// First and last coefficient.
    first: usize,
    last: usize,
    /// Whether it adds a bit to what is there.
    refines: bool,
}

impl<'a> Walk<'a> {
    /// Goes past the next marker, which may have padding before it.
    fn marker(&mut self) -> Result<u8, String> {
        let mut after_ff = false;
        while let Some(&byte) = self.jpeg.get(self.at) {
            self.at += 1;
            match byte {
                0xff => after_ff = true,
                0x00 if !after_ff => {}
                0x01.. if after_ff => return Ok(byte),
                _ => return Err(format!("there are stray bytes between its segments (at byte {})", self.at)),
            }
        }
        Err(match self.n_scans {
            0 => "the JPEG ends in its header".to_owned(),
            n_scans => format!("the JPEG ends without its end marker, after {n_scans} of its scans"),
        })
    }

    /// Goes past a segment.
    fn segment(&mut self) -> Result<&'a [u8], String> {
        let segment = self.jpeg.get(self.at..self.at + 2).and_then(|length| {
            let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
            self.jpeg.get(self.at + 2..self.at + length)
        });
        let segment = segment.ok_or("the JPEG ends in its header")?;
        self.at += 2 + segment.len();
        Ok(segment)
    }

    fn read_frame(&mut self, segment: &[u8], is_progressive: bool) -> Option<()> {
        let [_, h0, h1, w0, w1, n_components, specs @ ..] = segment else { return None };
        let (height, width) = (u16::from_be_bytes([*h0, *h1]).into(), u16::from_be_bytes([*w0, *w1]).into());
        let specs = specs.get(..3 * usize::from(*n_components))?.as_chunks::<3>().0;
        let sampling = |spec: &[u8; 3]| (usize::from(spec[1] >> 4), usize::from(spec[1] & 15));
        let most_across = specs.iter().map(|spec| sampling(spec).0).max()?;
        let most_down = specs.iter().map(|spec| sampling(spec).1).max()?;
        if specs
            .iter()
            .any(|spec| !(1..=4).contains(&sampling(spec).0) || !(1..=4).contains(&sampling(spec).1))
        {
            return None;
        }
        let component = |spec: &[u8; 3]| {
            let (across, down) = sampling(spec);
            let stride = usize::div_ceil(width, 8 * most_across) * across;
            let n_blocks =
                if is_progressive { stride * usize::div_ceil(height, 8 * most_down) * down } else { 0 };
            Component { id: spec[0], across, down, stride, nonzero: vec![0; n_blocks], is_coded: false }
        };
        let components = specs.iter().map(component).collect();
        self.frame = Some(Frame { is_progressive, height, width, components });
        Some(())
    }

    fn read_tables(&mut self, mut segment: &[u8]) -> Option<()> {
        while let [place, rest @ ..] = segment {
            let (lengths, rest) = rest.split_first_chunk::<16>()?;
            let n_values = lengths.iter().map(|&n| usize::from(n)).sum();
            let (values, rest) = rest.split_at_checked(n_values)?;
            let table = self.tables.get_mut(usize::from(place >> 4))?.get_mut(usize::from(place & 15))?;
            *table = Some(Box::new(Huffman::new(lengths, values)));
            segment = rest;
        }
        Some(())
    }

    fn read_interval(&mut self, segment: &[u8]) -> Option<()> {
        self.restart_interval = usize::from(u16::from_be_bytes(*segment.first_chunk()?));
        Some(())
    }

    fn read_scan(&mut self, segment: &[u8]) -> Option<Scan> {
        let frame = self.frame.as_mut()?;
        let (&n_components, rest) = segment.split_first()?;
        let (specs, rest) = rest.split_at_checked(2 * usize::from(n_components))?;
        let &[first, last, approximation] = rest.first_chunk()?;
        let mut components = Vec::new();
        for &[id, tables] in specs.as_chunks().0 {
            let component = frame.components.iter().position(|component| component.id == id)?;
            let (dc, ac) = (usize::from(tables >> 4), usize::from(tables & 15));
            components.push((component, dc.min(3), ac.min(3)));
            frame.components[component].is_coded |= !frame.is_progressive || first == 0;
        }
        let (first, last) = if frame.is_progressive { (first, last) } else { (0, 63) };
        let is_sensible = (1..=4).contains(&components.len())
            && first <= last
            && last < 64
            && (!frame.is_progressive
                || (first == 0) == (last == 0) && (first == 0 || components.len() == 1));
        let (first, last, refines) =
            (first.into(), last.into(), frame.is_progressive && approximation >> 4 != 0);
        is_sensible.then_some(Scan { components, first, last, refines })
    }

    /// Follows the codes of a scan up to the marker behind it.
    fn follow(&mut self, scan: &Scan) -> Result<(), String> {
        let frame = self.frame.as_mut().ok_or("its data come before its header")?;
        let most = |of: fn(&Component) -> usize| frame.components.iter().map(of).max().unwrap_or(1);
        let (most_across, most_down) = (most(|c| c.across), most(|c| c.down));
        let is_alone = scan.components.len() == 1;
        // A component alone has its blocks in rows of the picture, without those that fill the last unit.
        let (columns, rows) = if is_alone {
            let Component { across, down, .. } = frame.components[scan.components[0].0];
            let side = |pixels: usize, of: usize, most: usize| (pixels * of).div_ceil(most).div_ceil(8);
            (side(frame.width, across, most_across), side(frame.height, down, most_down))
        } else {
            (frame.width.div_ceil(8 * most_across), frame.height.div_ceil(8 * most_down))
        };
        self.n_scans += 1;
        let n_units = columns * rows;
        let mut bits = Bits { jpeg: self.jpeg, at: self.at, buffer: 0, n_bits: 0 };
        let mut end_run = 0;
        let (n_scans, is_progressive) = (self.n_scans, frame.is_progressive);
        let place = |fault: Fault, unit: usize| {
            let scan = if is_progressive { format!(" of scan {n_scans}") } else { String::new() };
            format!("{fault} after {unit} of {n_units} blocks{scan}")
        };
        for unit in 0..n_units {
            if self.restart_interval > 0 && unit > 0 && unit.is_multiple_of(self.restart_interval) {
                let number = (unit / self.restart_interval - 1) % 8;
                bits.restart(number as u8).map_err(|fault| place(fault, unit))?;
                end_run = 0;
            }
            for &(number, dc, ac) in &scan.components {
                let Component { across, down, stride, ref mut nonzero, .. } = frame.components[number];
                let (dc, ac) = (self.tables[0][dc].as_deref(), self.tables[1][ac].as_deref());
                let (across, down) = if is_alone { (1, 1) } else { (across, down) };
                for block in 0..across * down {
                    let row = unit / columns * down + block / across;
                    let column = unit % columns * across + block % across;
                    let followed = if is_progressive {
                        // A unit is never outside of what its component has.
                        bits.follow_part(scan, dc, ac, &mut nonzero[row * stride + column], &mut end_run)
                    } else {
                        bits.follow_block(dc, ac)
                    };
                    followed.map_err(|fault| place(fault, unit))?;
                }
            }
        }
        self.at = bits.end().map_err(|fault| place(fault, n_units))?;
        Ok(())
    }

    fn finish(&self) -> Result<(), String> {
        match &self.frame {
            Some(frame) if frame.components.iter().all(|component| component.is_coded) => Ok(()),
            Some(_) => Err("the JPEG ends before all of its colors came".to_owned()),
            None => Err("the JPEG ends without a picture".to_owned()),
        }
    }
}

enum Fault {
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
struct Huffman {
    /// For the next nine bits, the value of the code they begin with and its length; 0 for a longer code.
    short: [(u8, u8); 512],
    /// For each length the codes below which a code of that length lies, and where its values begin.
    limits: [(u32, i32); 17],
    values: Vec<u8>,
}

impl Huffman {
    fn new(lengths: &[u8; 16], values: &[u8]) -> Self {
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
struct Bits<'a> {
    jpeg: &'a [u8],
    at: usize,
    /// The next bits, from the highest on.
    buffer: u64,
    n_bits: usize,
}

impl Bits<'_> {
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

    fn follow_block(&mut self, dc: Option<&Huffman>, ac: Option<&Huffman>) -> Result<(), Fault> {
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
    fn follow_part(
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
    fn restart(&mut self, number: u8) -> Result<(), Fault> {
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
    fn end(&mut self) -> Result<usize, Fault> {
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
