//! The packages that drawings are published in.

use sha2::{Digest, Sha512};

use crate::{IconError, Style};

/// A file of the npm registry, in one version, which never changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// What it is called.
    pub name: &'static str,
    /// The version.
    pub version: &'static str,
    /// Its size in bytes.
    pub bytes: u64,
    /// What the registry calls its integrity: `sha512-` and the digest in base64.
    pub integrity: &'static str,
    /// The style of its drawings.
    pub style: Style,
}

impl Package {
    /// The registry that all are published to.
    pub const REGISTRY: &str = "https://registry.npmjs.org";

    /// All packages, in the order of [`Style::ALL`].
    pub const ALL: [Self; 5] = [
        Self {
            name: "@iconify-json/fluent-emoji-flat",
            version: "1.2.6",
            bytes: 1_172_438,
            integrity: "sha512-RY47RgPb47fYUiyrA64sIOL0+UU02s29sXpNBbIQRBUlPlfNFTKUmZDERGuxDs/7yNGWqQYvuaSYM1M4fRXlUw==",
            style: Style::FluentFlat,
        },
        Self {
            name: "@iconify-json/fluent-emoji",
            version: "1.2.7",
            bytes: 14_323_330,
            integrity: "sha512-D8G6bKAyIsyxP1rzZtIWr/gg/fO4Rg1+DyCWlfqKK4h8W+4Em/Y0P6QYgJUQTlUcagzJvSyg+9OBv4hz4Hc/QA==",
            style: Style::Fluent,
        },
        Self {
            name: "@iconify-json/noto",
            version: "1.2.9",
            bytes: 3_102_958,
            integrity: "sha512-DQiuXENbun41ch+XPSV55H9FaWKpHTyz46YIKtSaKYD4fIDDzL1tR6H4np/T38jfrTAeI3rcKF0mqHYeZVAuaw==",
            style: Style::Noto,
        },
        Self {
            name: "@iconify-json/noto-v1",
            version: "1.2.5",
            bytes: 1_587_591,
            integrity: "sha512-/DsVMius69Q0fRS53z7QK1TROSuar606jiIx+laXtdsYGMXpf6LtHBx6CGfoo3UHHb/XpBsw+1L1x3eyPqMuVA==",
            style: Style::NotoV1,
        },
        Self {
            name: "@iconify-json/fxemoji",
            version: "1.2.2",
            bytes: 1_034_876,
            integrity: "sha512-UAasRaxzFUKfIGSmLwnoarsssA4LX0VLLuEmplIqM6ZNQqIQRtav8tZ4H1neTlBreXuMQyAifr5jP4kn78DpiQ==",
            style: Style::FxEmoji,
        },
    ];

    /// Name and version, as npm takes them: `@iconify-json/noto@1.2.9`.
    pub fn full_name(&self) -> String {
        format!("{}@{}", self.name, self.version)
    }

    /// What the package calls its set of icons: the name without the organisation.
    pub fn prefix(&self) -> &'static str {
        self.name.rsplit('/').next().unwrap_or(self.name)
    }

    /// Where a registry has it; [`Package::REGISTRY`] is the one that it was published to.
    pub fn address(&self, registry: &str) -> String {
        let registry = registry.trim_end_matches('/');
        format!("{registry}/{}/-/{}-{}.tgz", self.name, self.prefix(), self.version)
    }

    /// What `npm pack` calls the file: `iconify-json-noto-1.2.9.tgz`.
    pub fn file_name(&self) -> String {
        format!("{}-{}.tgz", self.name.trim_start_matches('@').replace('/', "-"), self.version)
    }

    /// Its SHA-512, in hexadecimal.
    pub fn sha512(&self) -> String {
        let base64 = self.integrity.trim_start_matches("sha512-");
        bytes_from_base64(base64).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The package that these bytes are, whatever their file is called.
    pub fn of_bytes(bytes: &[u8]) -> Option<&'static Self> {
        let digest: [u8; 64] = Sha512::digest(bytes).into();
        Self::ALL.iter().find(|package| package.is_of(bytes, &digest))
    }

    /// Whether bytes are those of the package; `file` is what to call them.
    ///
    /// # Errors
    ///
    /// [`IconError::AnotherFile`] where size or digest is another.
    pub fn check(&self, bytes: &[u8], file: &str) -> Result<(), IconError> {
        let digest: [u8; 64] = Sha512::digest(bytes).into();
        if self.is_of(bytes, &digest) {
            return Ok(());
        }
        let reason = if bytes.len() as u64 != self.bytes {
            format!("it has {} bytes, not {}", bytes.len(), self.bytes)
        } else {
            format!("its SHA-512 is not {}", self.sha512())
        };
        Err(IconError::AnotherFile { file: file.to_owned(), package: self.full_name(), reason })
    }

    fn is_of(&self, bytes: &[u8], digest: &[u8; 64]) -> bool {
        bytes.len() as u64 == self.bytes
            && bytes_from_base64(self.integrity.trim_start_matches("sha512-")) == digest
    }
}

/// What base64 stands for, up to the first letter that is none of its own.
fn bytes_from_base64(text: &str) -> Vec<u8> {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let values = text.bytes().map_while(|letter| LETTERS.iter().position(|&each| each == letter));
    let (mut bytes, mut bits, mut n_bits) = (Vec::new(), 0_usize, 0);
    for value in values {
        (bits, n_bits) = ((bits << 6 | value) & 0xffff, n_bits + 6);
        if n_bits >= 8 {
            n_bits -= 8;
            bytes.push((bits >> n_bits & 0xff) as u8);
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_bytes() {
        assert_eq!(bytes_from_base64("T25l"), b"One");
        assert_eq!(bytes_from_base64("c3RlcA=="), b"step");
        assert_eq!(bytes_from_base64("/+8="), [0xff, 0xef]);
        for package in &Package::ALL {
            assert_eq!(package.sha512().len(), 128, "{}", package.name);
        }
    }

    #[test]
    fn a_package_has_its_places() {
        let noto = Style::Noto.package();
        let address = "https://registry.npmjs.org/@iconify-json/noto/-/noto-1.2.9.tgz";
        assert_eq!(noto.address(Package::REGISTRY), address);
        assert_eq!(noto.address("https://registry.npmjs.org/"), address);
        assert_eq!(noto.file_name(), "iconify-json-noto-1.2.9.tgz");
        assert_eq!(noto.full_name(), "@iconify-json/noto@1.2.9");
    }

    #[test]
    fn other_bytes_are_refused_with_what_differs() {
        let noto = Style::Noto.package();
        assert_eq!(Package::of_bytes(b"something"), None);
        let error = noto.check(b"something", "noto.tgz").unwrap_err().to_string();
        assert_eq!(
            error,
            "noto.tgz is damaged, or is not @iconify-json/noto@1.2.9: it has 9 bytes, not 3102958"
        );
        let error = noto.check(&vec![0; noto.bytes as usize], "noto.tgz").unwrap_err().to_string();
        assert!(error.contains("its SHA-512 is not 0d08ae5c435bba7e35721f97"), "{error}");
    }
}
