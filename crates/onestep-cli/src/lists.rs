//! Lists as people type them: seeds, levels, indices, classes.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

/// Most seeds one command takes; more are better drawn in several.
const MAX_SEEDS: u64 = 10_000_000;

/// One seed.
pub fn seed(text: &str) -> Result<u64, String> {
    let text = text.trim();
    text.parse().map_err(|_| match text.parse::<i128>() {
        Ok(_) => format!("seeds are whole numbers from 0 to {}, `{text}` is none of them", u64::MAX),
        Err(_) => format!("`{text}` is not a whole number from 0 up"),
    })
}

/// `0-63`, `3,17,20-29`: ranges with both ends, in the order given.
#[derive(Debug, Clone, PartialEq)]
pub struct Seeds(pub Vec<u64>);

impl FromStr for Seeds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut seeds = Vec::new();
        for part in text.split(',') {
            // A minus sign in front is one, and no range.
            match part.trim().split_once('-').filter(|(first, _)| !first.is_empty()) {
                Some((first, last)) => {
                    let (first, last) = (seed(first)?, seed(last)?);
                    if first > last {
                        return Err(format!("`{part}` counts down; write {last}-{first}"));
                    }
                    if last - first >= MAX_SEEDS {
                        return Err(format!(
                            "`{part}` is more than {MAX_SEEDS} seeds; draw them in several commands"
                        ));
                    }
                    seeds.extend(first..=last);
                }
                None => seeds.push(seed(part)?),
            }
        }
        Ok(Self(seeds))
    }
}

impl fmt::Display for Seeds {
    /// As it could have been typed: runs as ranges.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&onestep::eval::number_ranges(&self.0))
    }
}

/// `3,9`: two seeds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SeedPair(pub [u64; 2]);

impl FromStr for SeedPair {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(',') {
            Some((first, second)) => Ok(Self([seed(first)?, seed(second)?])),
            None => Err(format!("`{text}` is not two seeds; write 0,1")),
        }
    }
}

/// `1,2,4`: numbers of steps, at least 1 each.
#[derive(Debug, Clone, PartialEq)]
pub struct Counts(pub Vec<u32>);

impl FromStr for Counts {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let count = |part: &str| match part.trim().parse() {
            Ok(count @ 1..=10_000) => Ok(count),
            _ => Err(format!("`{part}` is not a whole number from 1 to 10000")),
        };
        Ok(Self(text.split(',').map(count).collect::<Result<_, _>>()?))
    }
}

/// `80,0.82`: noise levels, which must descend.
#[derive(Debug, Clone, PartialEq)]
pub struct Levels(pub Vec<f64>);

impl FromStr for Levels {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let levels: Vec<f64> = text
            .split(',')
            .map(|part| part.trim().parse().map_err(|_| format!("`{part}` is not a number")))
            .collect::<Result<_, _>>()?;
        if let Some(pair) = levels.windows(2).find(|pair| pair[0] <= pair[1]) {
            let mut sorted = levels.clone();
            sorted.sort_by(|a, b| b.total_cmp(a));
            sorted.dedup();
            let sorted: Vec<String> = sorted.iter().map(f64::to_string).collect();
            return Err(format!(
                "levels must descend: {} comes before {}; sampling starts at the largest, try {}",
                pair[0],
                pair[1],
                sorted.join(",")
            ));
        }
        Ok(Self(levels))
    }
}

/// `0,22,39/40`: indices into the descending Karras grid of so many levels.
#[derive(Debug, Clone, PartialEq)]
pub struct Indices {
    /// Indices, 0 being the noisiest level.
    pub indices: Vec<usize>,
    /// Number of levels of the grid.
    pub n_levels: usize,
}

impl FromStr for Indices {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (list, n) =
            text.split_once('/').ok_or("write the size of the grid behind a slash: 0,22,39/40")?;
        let number =
            |part: &str| part.trim().parse::<usize>().map_err(|_| format!("`{part}` is not a whole number"));
        Ok(Self { indices: list.split(',').map(number).collect::<Result<_, _>>()?, n_levels: number(n)? })
    }
}

/// `3,7` or `Food,Flags`: classes by number, name, or the beginning of a name.
///
/// What is between double quotes is one name, commas and spaces at its ends included, and a backslash takes the character
/// behind it for itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Classes(pub String);

impl FromStr for Classes {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.to_owned()))
    }
}

impl Classes {
    /// What each class was called; all of it is one name where one of those that are known is written so.
    pub fn each(&self, known: &[String]) -> Result<Vec<String>, String> {
        if known.contains(&self.0) {
            return Ok(vec![self.0.clone()]);
        }
        let mut names = Vec::new();
        let mut rest = self.0.chars().peekable();
        loop {
            while rest.next_if(|letter| letter.is_whitespace()).is_some() {}
            let is_quoted = rest.next_if_eq(&'"').is_some();
            let mut name = String::new();
            let end = loop {
                match rest.next() {
                    Some('\\') => name.extend(rest.next()),
                    end @ Some('"') if is_quoted => break end,
                    end @ (Some(',') | None) if !is_quoted => break end,
                    None => return Err(format!("`{}` opens a quote that it does not close", self.0)),
                    Some(letter) => name.push(letter),
                }
            };
            names.push(if is_quoted { name } else { name.trim_end().to_owned() });
            let end = if is_quoted {
                while rest.next_if(|letter| letter.is_whitespace()).is_some() {}
                rest.next()
            } else {
                end
            };
            match end {
                None => return Ok(names),
                Some(',') => {}
                Some(letter) => {
                    return Err(format!(
                        "`{}` has `{letter}` behind a closing quote; write a comma there",
                        self.0
                    ));
                }
            }
        }
    }

    /// Names as they can be typed.
    pub fn typed(names: &[String]) -> String {
        let typed = |name: &String| {
            let is_plain = !name.is_empty() && name.trim() == name && !name.contains([',', '"', '\\']);
            match is_plain {
                true => name.clone(),
                false => format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\"")),
            }
        };
        names.iter().map(typed).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_ranges_and_single_numbers() {
        assert_eq!("3,17,20-22".parse::<Seeds>().unwrap().0, [3, 17, 20, 21, 22]);
        assert_eq!("5-5".parse::<Seeds>().unwrap().0, [5]);
        assert!("9-3".parse::<Seeds>().unwrap_err().contains("3-9"));
        assert!("".parse::<Seeds>().is_err());
        for (wrong, says) in
            [("-1", "from 0 to"), ("3,-1", "from 0 to"), ("1-", "whole number"), ("x", "whole number")]
        {
            let message = wrong.parse::<Seeds>().unwrap_err();
            assert!(message.contains(says), "{wrong}: {message}");
        }
        assert!("0-99999999999".parse::<Seeds>().is_err());
    }

    #[test]
    fn seeds_are_written_as_they_could_be_typed() {
        for text in ["0-49999", "3,17,20-22", "7", "5-6,5-6", "9,3"] {
            assert_eq!(text.parse::<Seeds>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn shards_count_from_one() {
        assert_eq!("1,2,4".parse::<Counts>().unwrap().0, [1, 2, 4]);
        assert!("1,0".parse::<Counts>().is_err());
    }

    #[test]
    fn levels_must_descend() {
        assert_eq!("80,0.82".parse::<Levels>().unwrap().0, [80.0, 0.82]);
        let message = "0.82,80".parse::<Levels>().unwrap_err();
        assert!(message.contains("try 80,0.82"), "{message}");
    }

    #[test]
    fn names_of_classes_may_hold_anything() {
        let each = |text: &str| Classes(text.to_owned()).each(&["Food, Drink".into(), "a\"b".into()]);
        for (text, names) in [
            ("3,Flags", &["3", "Flags"][..]),
            (" cat , dog", &["cat", "dog"]),
            ("Food, Drink", &["Food, Drink"]),
            ("\"Food, Drink\",Flags", &["Food, Drink", "Flags"]),
            ("Food\\, Drink, Flags", &["Food, Drink", "Flags"]),
            ("Flags, \" cat \" ,\"say \\\"hi\\\"\"", &["Flags", " cat ", "say \"hi\""]),
            ("a\"b", &["a\"b"]),
            ("", &[""]),
        ] {
            assert_eq!(each(text).unwrap(), names, "{text}");
        }
        assert!(each("\"cat").unwrap_err().contains("does not close"));
        assert!(each("\"cat\"dog").unwrap_err().contains("`d` behind"));
        // What is listed can be typed.
        let names =
            ["cat", "Food, Drink", "say \"hi\"", " ", "a\\b", "", "Smileys & Emotion"].map(String::from);
        assert_eq!(Classes(Classes::typed(&names)).each(&[]).unwrap(), names);
    }

    #[test]
    fn indices_name_their_grid() {
        let indices = "0,22,39/40".parse::<Indices>().unwrap();
        assert_eq!((indices.indices, indices.n_levels), (vec![0, 22, 39], 40));
        assert!("0,22,39".parse::<Indices>().is_err());
    }
}
