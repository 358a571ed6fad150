//! A drawing as SVG.

/// Where a drawing lies in its own coordinates, and how it is turned before it is seen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Frame {
    /// Left edge.
    pub left: f64,
    /// Upper edge.
    pub top: f64,
    /// Width.
    pub width: f64,
    /// Height.
    pub height: f64,
    /// Mirrored, left and right changing places.
    pub flip_x: bool,
    /// Mirrored, top and bottom changing places.
    pub flip_y: bool,
    /// Quarter-turns clockwise, after mirroring.
    pub turns: u8,
}

/// The six numbers of SVG's `matrix(a b c d e f)`.
type Affine = [f64; 6];

/// One map after another.
fn after([a, b, c, d, e, f]: Affine, [p, q, r, s, t, u]: Affine) -> Affine {
    [a * p + c * q, b * p + d * q, a * r + c * s, b * r + d * s, a * t + c * u + e, b * t + d * u + f]
}

impl Frame {
    /// A side of the smallest square around it.
    pub(crate) fn side(&self) -> f64 {
        self.width.max(self.height)
    }

    /// From its own coordinates to a square of [`Frame::side`] at the origin, in the middle of which it lies.
    fn affine(&self) -> Affine {
        let (mut width, mut height) = (self.width, self.height);
        let mut affine = [1.0, 0.0, 0.0, 1.0, -self.left, -self.top];
        if self.flip_x {
            affine = after([-1.0, 0.0, 0.0, 1.0, width, 0.0], affine);
        }
        if self.flip_y {
            affine = after([1.0, 0.0, 0.0, -1.0, 0.0, height], affine);
        }
        for _ in 0..self.turns % 4 {
            affine = after([0.0, 1.0, -1.0, 0.0, height, 0.0], affine);
            (width, height) = (height, width);
        }
        let [right, down] = [width, height].map(|extent| (self.side() - extent) / 2.0);
        after([1.0, 0.0, 0.0, 1.0, right, down], affine)
    }

    /// The whole file of a drawing, a square.
    pub(crate) fn svg(&self, body: &str) -> String {
        let side = self.side();
        // Without zeros below zero.
        let [a, b, c, d, e, f] = self.affine().map(|number| number + 0.0);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" xmlns:xlink=\"http://www.w3.org/1999/xlink\" width=\"{side}\" \
             height=\"{side}\" viewBox=\"0 0 {side} {side}\"><g transform=\"matrix({a} {b} {c} {d} {e} {f})\">{body}</g></svg>"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Frame =
        Frame { left: 10.0, top: 20.0, width: 4.0, height: 2.0, flip_x: false, flip_y: false, turns: 0 };

    /// Where a point of the drawing comes to lie.
    fn place(frame: Frame, [x, y]: [f64; 2]) -> [f64; 2] {
        let [a, b, c, d, e, f] = frame.affine();
        [a * x + c * y + e, b * x + d * y + f]
    }

    /// The corner that was upper left, in a square of 4 with the drawing in its middle.
    #[test]
    fn corners_go_where_they_should() {
        let corner = [10.0, 20.0];
        for (flip_x, flip_y, turns, seen) in [
            (false, false, 0, [0.0, 1.0]),
            (true, false, 0, [4.0, 1.0]),
            (false, true, 0, [0.0, 3.0]),
            (false, false, 1, [3.0, 0.0]),
            (false, false, 2, [4.0, 3.0]),
            (false, false, 3, [1.0, 4.0]),
            // Mirrored first: upper right goes to lower right.
            (true, false, 1, [3.0, 4.0]),
            (true, true, 2, [0.0, 1.0]),
            (false, false, 5, [3.0, 0.0]),
        ] {
            let frame = Frame { flip_x, flip_y, turns, ..PLAIN };
            assert_eq!(place(frame, corner), seen, "{frame:?}");
            assert_eq!(place(frame, [12.0, 21.0]), [2.0, 2.0], "the middle stays: {frame:?}");
        }
    }
}
