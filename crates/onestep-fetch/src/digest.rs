//! Digests of what is fetched.

use md5::Md5;
use sha2::{Digest, Sha256, Sha512};

/// A digest that a file must have, in hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// SHA-256: what publishers and the Hugging Face hub give.
    Sha256(String),
    /// SHA-512, as the npm registry gives it (in base64).
    Sha512(String),
    /// MD5, as Azure's stores give it: good against damage, not against malice.
    Md5(String),
}

impl Expected {
    /// The digest in what a server says of a file: of its `x-linked-etag` or `etag` a SHA-256, of its `content-md5` an MD5.
    pub(crate) fn of_headers(header: impl Fn(&str) -> Option<String>) -> Option<Self> {
        let quoted = |text: String| text.trim_start_matches("W/").trim_matches('"').to_ascii_lowercase();
        let is_sha256 = |text: &String| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let sha256 =
            ["x-linked-etag", "etag"].iter().find_map(|name| header(name).map(quoted).filter(is_sha256));
        let md5 = || {
            header("content-md5").and_then(|text| from_base64(text.trim())).filter(|bytes| bytes.len() == 16)
        };
        sha256.map(Self::Sha256).or_else(|| md5().map(|bytes| Self::Md5(hex(&bytes))))
    }
}

/// Digests bytes as they come.
#[derive(Debug, Clone, Default)]
pub(crate) struct Digests {
    sha256: Sha256,
    sha512: Sha512,
    md5: Md5,
}

impl Digests {
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.sha256.update(bytes);
        self.sha512.update(bytes);
        self.md5.update(bytes);
    }

    /// SHA-256 in hexadecimal, and what differs from a digest that was expected.
    pub(crate) fn compare(self, expected: Option<&Expected>) -> (String, Option<[String; 2]>) {
        let (sha256, md5) = (hex(&self.sha256.finalize()), hex(&self.md5.finalize()));
        let differs = |found: &String, expected: &String| {
            (!found.eq_ignore_ascii_case(expected)).then(|| [found.clone(), expected.clone()])
        };
        let difference = match expected {
            Some(Expected::Sha256(expected)) => differs(&sha256, expected),
            Some(Expected::Sha512(expected)) => differs(&hex(&self.sha512.finalize()), expected),
            Some(Expected::Md5(expected)) => differs(&md5, expected),
            None => None,
        };
        (sha256, difference)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Bytes in base64; none for what is not.
fn from_base64(text: &str) -> Option<Vec<u8>> {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bytes = Vec::new();
    let (mut bits, mut n_bits) = (0u32, 0);
    for letter in text.trim_end_matches('=').bytes() {
        let value = LETTERS.iter().position(|&each| each == letter)?;
        (bits, n_bits) = (bits << 6 | value as u32, n_bits + 6);
        if n_bits >= 8 {
            n_bits -= 8;
            bytes.push((bits >> n_bits) as u8);
            bits &= (1 << n_bits) - 1;
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_name_digests_in_several_ways() {
        let of = |name: &'static str, value: &'static str| {
            Expected::of_headers(move |asked| (asked == name).then(|| value.to_owned()))
        };
        let sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(
            of("x-linked-etag", "\"E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855\""),
            Some(Expected::Sha256(sha256.into()))
        );
        assert_eq!(of("etag", "\"0x8DB3\""), None);
        assert_eq!(
            of("content-md5", "1B2M2Y8AsgTpgAmY7PhCfg=="),
            Some(Expected::Md5("d41d8cd98f00b204e9800998ecf8427e".into()))
        );
        assert_eq!(of("content-md5", "not base64!"), None);
        let (found, difference) =
            Digests::default().compare(Some(&Expected::Md5("d41d8cd98f00b204e9800998ecf8427e".into())));
        assert_eq!((found.as_str(), difference), (sha256, None));
    }

    /// The examples of FIPS 180-4 for `abc`.
    #[test]
    fn digests_of_both_lengths_are_compared() {
        let sha512 = "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd\
                      454d4423643ce80e2a9ac94fa54ca49f";
        let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let mut digests = Digests::default();
        digests.update(b"abc");
        assert_eq!(digests.clone().compare(Some(&Expected::Sha512(sha512.into()))), (sha256.into(), None));
        let other = "0".repeat(128);
        let (_, difference) = digests.compare(Some(&Expected::Sha512(other.clone())));
        assert_eq!(difference, Some([sha512.into(), other]));
    }
}
