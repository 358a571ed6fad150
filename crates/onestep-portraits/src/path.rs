//! Paths along the grid, as SVG writes them, and the pixels inside.

use crate::pixels::{PixelSet, SIDE};

/// What is inside of a path that crosses itself or runs around twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FillRule {
    /// A point that the path winds around at all.
    NonZero,
    /// A point that the path winds around an odd number of times.
    EvenOdd,
}

/// A vertical edge, from one row's upper border to another's.
struct Edge {
    column: i32,
    from: i32,
    to: i32,
}

/// The pixels whose centers lie inside a path of the commands `M m H h V v Z z` with whole numbers.
///
/// Edges run along the grid, so a pixel is inside whole or not at all and nothing is rounded.
///
/// # Errors
///
/// A sentence about a command that is none of these, a number that is none, or a command without its numbers.
pub(crate) fn pixels_inside(path: &str, rule: FillRule) -> Result<PixelSet, String> {
    let edges = vertical_edges(path)?;
    let is_inside = |pixel: &u8| {
        let (row, column) = (i32::from(pixel / SIDE as u8), i32::from(pixel % SIDE as u8));
        let winding: i32 =
            edges.iter().filter(|edge| edge.column <= column).map(|edge| edge.crossing(row)).sum();
        match rule {
            FillRule::NonZero => winding != 0,
            FillRule::EvenOdd => winding % 2 != 0,
        }
    };
    Ok((0..=u8::MAX).filter(is_inside).collect())
}

impl Edge {
    /// 1 if the edge passes the middle of a row downwards, -1 upwards, 0 if it does not.
    fn crossing(&self, row: i32) -> i32 {
        if (self.from..self.to).contains(&row) {
            1
        } else if (self.to..self.from).contains(&row) {
            -1
        } else {
            0
        }
    }
}

fn vertical_edges(path: &str) -> Result<Vec<Edge>, String> {
    let mut edges = Vec::new();
    let (mut x, mut y) = (0, 0);
    let mut start = (0, 0);
    let mut rest = path.trim_start();
    while let Some(command) = rest.chars().next() {
        rest = &rest[command.len_utf8()..];
        let from = y;
        match command {
            'M' | 'm' => {
                let (dx, dy) = (number(&mut rest)?, number(&mut rest)?);
                // What was begun before is closed, as for filling.
                edges.push(closing_edge(path, (x, y), start)?);
                (x, y) = if command == 'm' { (x + dx, y + dy) } else { (dx, dy) };
                start = (x, y);
                rest = rest.trim_start();
                continue;
            }
            'H' => x = number(&mut rest)?,
            'h' => x += number(&mut rest)?,
            'V' => y = number(&mut rest)?,
            'v' => y += number(&mut rest)?,
            'Z' | 'z' => {
                edges.push(closing_edge(path, (x, y), start)?);
                (x, y) = start;
                rest = rest.trim_start();
                continue;
            }
            other => return Err(format!("`{path}` has the command `{other}`, which is none of M H V Z")),
        }
        // Where it is horizontal it crosses no row.
        edges.push(Edge { column: x, from, to: y });
        rest = rest.trim_start();
    }
    edges.push(closing_edge(path, (x, y), start)?);
    Ok(edges)
}

/// The way back to where a part of the path began.
fn closing_edge(path: &str, (x, y): (i32, i32), start: (i32, i32)) -> Result<Edge, String> {
    if x != start.0 && y != start.1 {
        return Err(format!("`{path}` is closed across the grid"));
    }
    Ok(Edge { column: x, from: y, to: start.1 })
}

/// Takes a whole number off the front.
fn number(rest: &mut &str) -> Result<i32, String> {
    let text = rest.trim_start();
    let sign = usize::from(text.starts_with('-'));
    let digits = text[sign..].bytes().take_while(u8::is_ascii_digit).count();
    let (number, after) = text.split_at(sign + digits);
    *rest = after;
    number.parse().map_err(|_| format!("a number is missing before `{after}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inside(path: &str, rule: FillRule) -> Vec<u8> {
        pixels_inside(path, rule).unwrap().iter().collect()
    }

    #[test]
    fn rectangles_of_any_spelling_are_the_same() {
        for path in ["M1 0h2v1h-2z", "M1 0H3V1H1V0Z", "M3 1V0H1v1z", "m1 0 h2 v1 h-2 Z", "M1 0h2v1h-2"] {
            assert_eq!(inside(path, FillRule::NonZero), [1, 2], "{path}");
        }
        // After closing, a relative move counts from where the last part began.
        assert_eq!(inside("M1 0h1v1h-1zm2 1h1v1h-1z", FillRule::NonZero), [1, 19]);
    }

    #[test]
    fn rules_differ_where_a_path_winds_twice() {
        let twice = "M0 0h3v3H0zM1 1h1v1H1z";
        assert!(inside(twice, FillRule::NonZero).contains(&17));
        assert!(!inside(twice, FillRule::EvenOdd).contains(&17));
        // The other way around it is a hole by both.
        let hole = "M0 0h3v3H0zM1 1v1h1V1z";
        assert!(!inside(hole, FillRule::NonZero).contains(&17));
        assert!(!inside(hole, FillRule::EvenOdd).contains(&17));
        assert_eq!(inside(hole, FillRule::NonZero).len(), 8);
    }

    #[test]
    fn what_is_no_path_along_the_grid_is_refused() {
        for (path, word) in [
            ("M0 0l1 1z", "command `l`"),
            ("M0", "number is missing"),
            ("M0 0hz", "number is missing"),
            ("M0 0h.5v1z", "number is missing"),
            ("M0 0h1v1z", "across the grid"),
            ("M0 0h1v1", "across the grid"),
        ] {
            let error = pixels_inside(path, FillRule::NonZero).unwrap_err();
            assert!(error.contains(word), "{path}: {error}");
        }
    }
}
