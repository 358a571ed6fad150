use std::cmp::Ordering;

/// The order in which people count: numbers within names by their value, all else by its bytes.
///
/// So `2` comes before `10`, and `img2` before `img10`. Names that differ in nothing but leading zeros are ordered by them.
pub(super) fn natural_order(a: &str, b: &str) -> Ordering {
    let (mut rest_a, mut rest_b) = (a.as_bytes(), b.as_bytes());
    loop {
        let (part_a, part_b) = (leading_part(&mut rest_a), leading_part(&mut rest_b));
        let order = match (part_a.first(), part_b.first()) {
            (None, None) => return a.cmp(b),
            (Some(x), Some(y)) if x.is_ascii_digit() && y.is_ascii_digit() => {
                let [x, y] = [part_a, part_b].map(without_zeros);
                x.len().cmp(&y.len()).then_with(|| x.cmp(y))
            }
            _ => part_a.cmp(part_b),
        };
        if order.is_ne() {
            return order;
        }
    }
}

/// Cuts off the first run of digits, or of anything else.
fn leading_part<'a>(rest: &mut &'a [u8]) -> &'a [u8] {
    let is_digits = rest.first().is_some_and(u8::is_ascii_digit);
    let end = rest.iter().position(|byte| byte.is_ascii_digit() != is_digits).unwrap_or(rest.len());
    let (part, after) = rest.split_at(end);
    *rest = after;
    part
}

fn without_zeros(digits: &[u8]) -> &[u8] {
    &digits[digits.iter().position(|&digit| digit != b'0').unwrap_or(digits.len())..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_count_and_letters_go_by_their_bytes() {
        let sorted = [
            "",
            "0",
            "1",
            "2",
            "9",
            "10",
            "11",
            "100",
            "18446744073709551616",
            "CAT",
            "Cat",
            "a1b2",
            "a1b10",
            "a2",
            "cat",
            "img",
            "img02",
            "img2",
            "img10",
            "n01440764",
            "n01443537",
            "ä",
        ];
        for (place, a) in sorted.iter().enumerate() {
            for (other, b) in sorted.iter().enumerate() {
                assert_eq!(natural_order(a, b), place.cmp(&other), "{a} and {b}");
            }
        }
    }
}
