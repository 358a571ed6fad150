//! Arrays of the interpreter, which are f64 whatever the file says, and their plain loops.

/// An array, row after row.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    pub dims: Vec<usize>,
    pub values: Vec<f64>,
}

impl Tensor {
    pub fn new(dims: Vec<usize>, values: Vec<f64>) -> Self {
        assert_eq!(dims.iter().product::<usize>(), values.len(), "numbers of {dims:?}");
        Self { dims, values }
    }

    /// An array whose values are a function of their place.
    pub fn from_fn(dims: &[usize], mut of: impl FnMut(&[usize]) -> f64) -> Self {
        let n = dims.iter().product();
        let mut at = vec![0; dims.len()];
        let mut values = Vec::with_capacity(n);
        for _ in 0..n {
            values.push(of(&at));
            for axis in (0..dims.len()).rev() {
                at[axis] += 1;
                if at[axis] < dims[axis] {
                    break;
                }
                at[axis] = 0;
            }
        }
        Self { dims: dims.to_vec(), values }
    }

    pub fn at(&self, place: &[usize]) -> f64 {
        assert_eq!(place.len(), self.dims.len());
        let index = place.iter().zip(&self.dims).fold(0, |index, (&at, &length)| {
            assert!(at < length, "{place:?} of {:?}", self.dims);
            index * length + at
        });
        self.values[index]
    }

    pub fn map(&self, of: impl Fn(f64) -> f64) -> Self {
        Self { dims: self.dims.clone(), values: self.values.iter().map(|&value| of(value)).collect() }
    }

    pub fn reshaped(&self, dims: Vec<usize>) -> Self {
        Self::new(dims, self.values.clone())
    }

    /// Whole numbers, such as shapes.
    pub fn integers(&self) -> Vec<i64> {
        assert!(self.values.iter().all(|value| value.fract() == 0.0));
        self.values.iter().map(|&value| value as i64).collect()
    }

    /// Two arrays number by number; axes are counted from the last, and those that are absent or of length 1 are repeated.
    pub fn paired(&self, other: &Self, of: impl Fn(f64, f64) -> f64) -> Self {
        let rank = self.dims.len().max(other.dims.len());
        let length = |tensor: &Self, axis: usize| {
            (axis + tensor.dims.len()).checked_sub(rank).map_or(1, |axis| tensor.dims[axis])
        };
        let dims: Vec<usize> = (0..rank)
            .map(|axis| {
                let (a, b) = (length(self, axis), length(other, axis));
                assert!(a == b || a == 1 || b == 1, "{:?} and {:?}", self.dims, other.dims);
                if a == 1 { b } else { a }
            })
            .collect();
        let index = |tensor: &Self, place: &[usize]| {
            place.iter().enumerate().fold(0, |index, (axis, &at)| {
                let length = length(tensor, axis);
                index * length + if length == 1 { 0 } else { at }
            })
        };
        Self::from_fn(&dims, |at| of(self.values[index(self, at)], other.values[index(other, at)]))
    }

    /// Some places along an axis.
    pub fn part(&self, axis: usize, range: std::ops::Range<usize>) -> Self {
        let mut dims = self.dims.clone();
        assert!(range.end <= dims[axis]);
        dims[axis] = range.len();
        Self::from_fn(&dims, |place| {
            let mut place = place.to_vec();
            place[axis] += range.start;
            self.at(&place)
        })
    }

    pub fn joined(parts: &[Self], axis: usize) -> Self {
        let mut dims = parts[0].dims.clone();
        dims[axis] = parts.iter().map(|part| part.dims[axis]).sum();
        Self::from_fn(&dims, |place| {
            let mut place = place.to_vec();
            for part in parts {
                if place[axis] < part.dims[axis] {
                    return part.at(&place);
                }
                place[axis] -= part.dims[axis];
            }
            unreachable!("within the sum of the lengths")
        })
    }

    pub fn transposed(&self, order: &[usize]) -> Self {
        let dims: Vec<usize> = order.iter().map(|&axis| self.dims[axis]).collect();
        Self::from_fn(&dims, |place| {
            let mut from = vec![0; order.len()];
            order.iter().zip(place).for_each(|(&axis, &at)| from[axis] = at);
            self.at(&from)
        })
    }

    /// Matrices by matrices, the last two axes of both.
    pub fn matmul(&self, other: &Self) -> Self {
        let rank = self.dims.len();
        assert_eq!(self.dims[..rank - 2], other.dims[..rank - 2]);
        assert_eq!(self.dims[rank - 1], other.dims[rank - 2]);
        let [m, k, n] = [self.dims[rank - 2], self.dims[rank - 1], other.dims[rank - 1]];
        let mut values = Vec::new();
        for (a, b) in self.values.chunks_exact(m * k).zip(other.values.chunks_exact(k * n)) {
            for row in a.chunks_exact(k) {
                values.extend((0..n).map(|column| (0..k).map(|i| row[i] * b[i * n + column]).sum::<f64>()));
            }
        }
        let mut dims = self.dims.clone();
        dims[rank - 1] = n;
        Self::new(dims, values)
    }
}
