//! The digest that a model file carries of itself, so that a copy without its run's `state.json` still tells flipped bits.
//!
//! It stands at the end of the header's text: `...,"sha256":"<64 digits>"}`. What it digests is the text before it and the values
//! of all tensors in the order of the file, as they are read: in 32 bits each, also where the file has 16. Names and shapes need no digest: a network takes only its own.

use std::io;

use crate::arrays::{Array, NamedArrays, TensorFileError};
use crate::digest::Digesting;

/// What stands between a header and its digest.
const KEY: &str = ",\"sha256\":\"";
/// What stands behind the digest.
const END: &str = "\"}";
/// Length of a SHA-256 in hexadecimal.
const N_DIGITS: usize = 64;

/// A header's text with the digest of itself and the values at its end. Arrays come in any order.
pub(super) fn seal(header: &str, arrays: &mut [Array<'_>]) -> Result<String, TensorFileError> {
    arrays.sort_by(|a, b| a.name.cmp(&b.name));
    let open = header.strip_suffix('}').unwrap_or(header);
    let mut digest = Digesting::new(io::sink());
    io::Write::write_all(&mut digest, open.as_bytes())?;
    arrays.iter().try_for_each(|array| array.write_as_read(&mut digest))?;
    Ok(format!("{open}{KEY}{}{END}", digest.hex()))
}

/// A header's text without its digest, up to its last brace, and the digest where there is one: files of older versions have none.
fn parts(text: &str) -> Option<(&str, &str)> {
    let start = text.len().checked_sub(END.len() + N_DIGITS)?;
    let (before, digest) = text.split_at_checked(start)?;
    let digest = digest.strip_suffix(END)?;
    Some((before.strip_suffix(KEY)?, digest))
}

/// A header's text as it was before it was sealed.
pub(super) fn opened(text: &str) -> String {
    parts(text).map_or_else(|| text.to_owned(), |(open, _)| format!("{open}}}"))
}

/// Whether text and values are those that were sealed, as far as anybody can tell.
pub(super) fn is_whole(text: &str, arrays: &NamedArrays) -> bool {
    let Some((open, sealed)) = parts(text) else { return true };
    let mut digest = Digesting::new(io::sink());
    let mut write = |bytes: &[u8]| io::Write::write_all(&mut digest, bytes);
    let written = write(open.as_bytes()).and_then(|()| {
        arrays.values().try_for_each(|(_, values)| {
            let mut bytes = Vec::with_capacity(4 * values.len().min(CHUNK));
            values.chunks(CHUNK).try_for_each(|chunk| {
                bytes.clear();
                bytes.extend(chunk.iter().flat_map(|value| value.to_le_bytes()));
                write(&bytes)
            })
        })
    });
    written.is_ok() && digest.hex() == sealed
}

/// Values that are digested together.
const CHUNK: usize = 1 << 14;
