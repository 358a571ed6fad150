//! Damage in a JPEG that decoders pass over.
//!
//! Decoders were made to show what there is: where the data end, or make no sense, they fill in grey or noise and at most
//! warn. A picture that models learn from must be whole, so every code of its data is looked at before it is decoded: each must
//! exist, each block must end where it should, each restart marker must come in its turn, and nothing may be left over.

use super::entropy::{Bits, Fault, Huffman, Scan};

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
        let mut bits = Bits::new(self.jpeg, self.at);
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
