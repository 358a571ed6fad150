//! The table of the parts, read.

use crate::art::{Art, Layer, Part};
use crate::paint::{Coat, Paint, Palette, Rgb, Tone, alpha_byte};
use crate::path::{FillRule, pixels_inside};
use crate::pixels::PixelSet;

/// A line of a part, before its pixels are told apart.
enum Fill {
    Coat(PixelSet, Coat),
    Mask(PixelSet, Paint, u16),
}

impl Art {
    /// Reads a table as `parts.mjs` writes it.
    ///
    /// # Errors
    ///
    /// The number of the line that is not understood and why, or what is missing in the whole.
    pub(crate) fn parse(table: &str) -> Result<Self, String> {
        let mut art = Self::default();
        let mut layer = None;
        let mut part: Option<(String, u32)> = None;
        let mut fills = Vec::new();
        for (line, number) in table.lines().zip(1..) {
            let at = |error: String| format!("line {number}: {error}");
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            if word == "layer" || word == "part" {
                art.finish_part(layer, part.take(), std::mem::take(&mut fills)).map_err(at)?;
            }
            match word {
                "#" => {}
                "palette" => art.read_palette(rest).map_err(at)?,
                "percent" => art.read_percent(rest).map_err(at)?,
                "layer" => layer = Some(layer_named(rest).map_err(at)?),
                "part" => part = Some(read_part(rest).map_err(at)?),
                "fill" | "mask" if part.is_some() => fills.push(read_fill(word, rest).map_err(at)?),
                other => return Err(at(format!("`{other}` is not expected here"))),
            }
        }
        art.finish_part(layer, part, fills).map_err(|error| format!("at the end: {error}"))?;
        art.check()?;
        Ok(art)
    }

    fn check(&self) -> Result<(), String> {
        for palette in Palette::ALL {
            if self.colors(palette).is_empty() {
                return Err(format!("no palette `{}`", palette.name()));
            }
        }
        for layer in Layer::ALL {
            if self.parts(layer).is_empty() {
                return Err(format!("no part of `{}`", layer.name()));
            }
        }
        Ok(())
    }

    fn read_palette(&mut self, rest: &str) -> Result<(), String> {
        let (name, colors) = rest.split_once(' ').ok_or("a palette has a name and colors")?;
        let palette = palette_named(name)?;
        self.palettes[palette as usize] = colors.split(' ').map(color).collect::<Result<_, _>>()?;
        Ok(())
    }

    fn read_percent(&mut self, rest: &str) -> Result<(), String> {
        let (name, percent) = rest.split_once(' ').ok_or("a percentage has a layer and a number")?;
        let percent = percent.parse().ok().filter(|percent| (0..=100).contains(percent));
        self.percents[layer_named(name)? as usize] =
            Some(percent.ok_or_else(|| format!("`{rest}` has no number from 0 to 100"))?);
        Ok(())
    }

    fn finish_part(
        &mut self,
        layer: Option<Layer>,
        part: Option<(String, u32)>,
        fills: Vec<Fill>,
    ) -> Result<(), String> {
        let Some((name, weight)) = part else { return Ok(()) };
        let layer = layer.ok_or("a part comes after its layer")?;
        let mut pixels = Vec::new();
        for pixel in 0..=u8::MAX {
            if let Some(tone) = tone_of(pixel, &fills) {
                pixels.push((pixel, self.interned(tone)));
            }
        }
        let those = |is_wanted: &dyn Fn(&Tone) -> bool| {
            let wanted = pixels.iter().filter(|&&(_, tone)| is_wanted(self.tone(tone)));
            wanted.map(|&(pixel, _)| pixel).collect()
        };
        let touched = those(&|_| true);
        let covered = those(&Tone::is_opaque);
        let colored = those(&|tone| tone.uses(layer.palette()));
        if touched == PixelSet::EMPTY {
            return Err(format!("the part `{name}` before this touches no pixel"));
        }
        self.layers[layer as usize].push(Part { name, weight, pixels, touched, covered, colored });
        Ok(())
    }

    fn interned(&mut self, tone: Tone) -> u16 {
        let index = self.tones.iter().position(|known| *known == tone).unwrap_or_else(|| {
            self.tones.push(tone);
            self.tones.len() - 1
        });
        u16::try_from(index).expect("a few dozen tones")
    }
}

/// What the fills of a part do to a pixel, if they do anything.
fn tone_of(pixel: u8, fills: &[Fill]) -> Option<Tone> {
    let mut tone = Tone { coats: Vec::new(), mask: None };
    for fill in fills {
        match *fill {
            Fill::Coat(inside, coat) if inside.contains(pixel) => {
                if coat.alpha == 255 {
                    tone.coats.clear();
                }
                tone.coats.push(coat);
            }
            Fill::Coat(..) => {}
            // What a mask does not hold is not seen at all.
            Fill::Mask(inside, ..) if !inside.contains(pixel) => return None,
            Fill::Mask(_, paint, permille) => tone.mask = Some((paint, permille)),
        }
    }
    (!tone.coats.is_empty()).then_some(tone)
}

fn palette_named(name: &str) -> Result<Palette, String> {
    let palette = Palette::ALL.into_iter().find(|palette| palette.name() == name);
    palette.ok_or_else(|| format!("`{name}` is no palette"))
}

fn layer_named(name: &str) -> Result<Layer, String> {
    let layer = Layer::ALL.into_iter().find(|layer| layer.name() == name);
    layer.ok_or_else(|| format!("`{name}` is no layer"))
}

/// Six hexadecimal digits.
fn color(text: &str) -> Result<Rgb, String> {
    let is_color = text.len() == 6 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let all = is_color.then(|| u32::from_str_radix(text, 16).ok()).flatten();
    let [_, rgb @ ..] = all.ok_or_else(|| format!("`{text}` is no color"))?.to_be_bytes();
    Ok(rgb)
}

fn read_part(rest: &str) -> Result<(String, u32), String> {
    let (name, weight) = rest.split_once(' ').ok_or("a part has a name and a weight")?;
    let weight = weight.parse().ok().filter(|&weight| weight > 0);
    Ok((name.to_owned(), weight.ok_or_else(|| format!("`{rest}` has no weight"))?))
}

/// `paint opacity rule path`.
fn read_fill(word: &str, rest: &str) -> Result<Fill, String> {
    let fields: Vec<&str> = rest.splitn(4, ' ').collect();
    let &[paint, opacity, rule, path] = fields.as_slice() else {
        return Err("a fill has a paint, an opacity, a rule and a path".to_owned());
    };
    let paint = match paint {
        "white" => Paint::White,
        "black" => Paint::Black,
        name => Paint::From(palette_named(name)?),
    };
    let opacity: f32 = opacity.parse().map_err(|_| format!("`{opacity}` is no opacity"))?;
    if !(0.0 < opacity && opacity <= 1.0) {
        return Err(format!("the opacity {opacity} is not between 0 and 1"));
    }
    let rule = match rule {
        "nonzero" => FillRule::NonZero,
        "evenodd" => FillRule::EvenOdd,
        other => return Err(format!("`{other}` is no rule")),
    };
    let inside = pixels_inside(path, rule)?;
    Ok(match word {
        "mask" => Fill::Mask(inside, paint, (opacity * 1000.0).round() as u16),
        _ => Fill::Coat(inside, Coat { paint, alpha: alpha_byte(opacity) }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::paint::WHITE;

    /// A table of one part a layer.
    fn small_table() -> String {
        let palettes = Palette::ALL.map(|palette| format!("palette {} 102030\n", palette.name()));
        let layers = Layer::ALL.map(|layer| {
            let paint = layer.palette().name();
            format!("layer {0}\npart {0}1 1\nfill {paint} 1 nonzero M0 0h1v1h-1z\n", layer.name())
        });
        format!("# Made by hand.\n{}percent hat 5\n{}", palettes.concat(), layers.concat())
    }

    #[test]
    fn a_table_is_read_line_by_line() {
        let art = Art::parse(&small_table()).unwrap();
        let hat = &art.parts(Layer::Hat)[0];
        assert_eq!((hat.name.as_str(), hat.pixels.len(), art.percent(Layer::Hat)), ("hat1", 1, Some(5)));
        assert_eq!(art.draw(std::iter::empty(), &|_| [1, 2, 3])[..2], [[1, 2, 3], WHITE]);
    }

    #[test]
    fn damage_is_told_by_its_line() {
        for (from, to, message) in [
            ("palette hat 102030\n", "", "no palette `hat`"),
            ("palette hat 102030", "palette hut 102030", "line 9: `hut` is no palette"),
            ("palette hat 102030", "palette hat 10203", "line 9: `10203` is no color"),
            ("percent hat 5", "percent hat 105", "line 10: `hat 105` has no number"),
            ("layer face\n", "", "line 13: a part comes after its layer"),
            ("part face1 1", "part face1 0", "line 12: `face1 0` has no weight"),
            ("part face1 1\n", "", "line 12: `fill` is not expected here"),
            (
                "fill skin 1 nonzero M0 0h1v1h-1z\n",
                "",
                "line 13: the part `face1` before this touches no pixel",
            ),
            ("fill skin 1 nonzero", "fill skin 2 nonzero", "line 13: the opacity 2 is not between"),
            ("fill skin 1 nonzero", "fill skin 1 odd", "line 13: `odd` is no rule"),
            ("fill skin 1 nonzero M0", "fill skin 1 nonzero L0", "line 13: `L0"),
            ("part hat1 1\nfill hat 1 nonzero M0 0h1v1h-1z\n", "", "no part of `hat`"),
        ] {
            let table = small_table();
            assert!(table.contains(from), "{from}");
            let error = Art::parse(&table.replacen(from, to, 1)).unwrap_err();
            assert!(error.starts_with(message), "{from} to {to}: {error}");
        }
    }
}
