//! Files that hold no weights that are read: what they are instead, by their first bytes.

use crate::file;

/// What a file that begins so is, and what to do about it; none for what may hold weights.
pub(super) fn other_kind(start: &[u8]) -> Option<&'static str> {
    if start.is_empty() {
        return Some("the file is empty");
    }
    // Of a pickle more is known once it has been looked through.
    if let [0x80, 2..=5, ..] = start {
        return None;
    }
    if let Some((_, _, what)) = KINDS.iter().find(|(at, magic, _)| is_at(start, *at, magic)) {
        return Some(what);
    }
    if is_onnx(start) {
        return Some(ONNX);
    }
    file::foreign(start)
}

/// What a file is that is neither weights nor of a kind with marks of its own.
pub(super) fn unknown_kind(start: &[u8]) -> &'static str {
    let text = start.trim_ascii_start();
    match text.first() {
        Some(b'{' | b'[') => {
            "this is a text of JSON, perhaps settings; name the file of weights beside it, or the folder"
        }
        _ if file::describe(start).is_some() => file::describe(start).expect("it is some"),
        _ if is_tensorflow(start) => TENSORFLOW,
        _ => {
            "this is neither safetensors nor what PyTorch or flax writes (`torch.save`, EDM's pickles, `flax.serialization`)"
        }
    }
}

fn is_at(start: &[u8], at: usize, magic: &[u8]) -> bool {
    start.get(at..).is_some_and(|rest| rest.starts_with(magic))
}

/// A protobuf whose first field is a version below 32, followed by the name of a producer, or by a graph.
fn is_onnx(start: &[u8]) -> bool {
    let [0x08, 1..32, field, length, rest @ ..] = start else { return false };
    let name = rest.get(..usize::from(*length)).unwrap_or(rest);
    let is_name = || !name.is_empty() && name.iter().all(|&byte| byte.is_ascii_graphic() || byte == b' ');
    match field {
        0x12 => is_name(),
        0x3a => true,
        _ => false,
    }
}

/// A protobuf of nodes, each of which begins with its name; or a saved model.
fn is_tensorflow(start: &[u8]) -> bool {
    match start {
        [0x0a, _, 0x0a, length, rest @ ..] | [0x0a, _, _, 0x0a, length, rest @ ..] => {
            let name = rest.get(..usize::from(*length)).unwrap_or(rest);
            !name.is_empty() && name.iter().all(|&byte| byte.is_ascii_graphic())
        }
        [0x08, 0x01, 0x12, ..] => true,
        _ => false,
    }
}

const ONNX: &str =
    "this is an ONNX model, a network for running and not for reading; name the weights that it was made of";
const TENSORFLOW: &str = "this looks like a graph of TensorFlow, which is not read; write its weights with `safetensors.numpy.save_file`";
const TAR: &str = "this is a tar archive; unpack it and name the file of weights in it";

/// Where a kind of file has its mark, the mark, and what to say.
const KINDS: [(usize, &[u8], &str); 10] = [
    (0, b"PK\x05\x06", "this is an empty zip"),
    (
        0,
        b"GGUF",
        "this is a GGUF file, in which language models are kept; models of pictures are read from safetensors",
    ),
    (
        0,
        b"\x89HDF\r\n\x1a\n",
        "this is HDF5, as Keras writes it (.h5); write its weights with `safetensors.numpy.save_file`",
    ),
    (257, b"ustar", TAR),
    (0, b"\x1f\x8b", "this is packed by gzip; unpack it with `gunzip` first"),
    (
        0,
        b"\x93NUMPY",
        "this is one array of numpy without a name; write weights with `safetensors.numpy.save_file`",
    ),
    (0, b"\x89PNG", "this is a PNG picture, not weights"),
    (0, b"\xff\xd8\xff", "this is a JPEG picture, not weights"),
    (0, b"%PDF-", "this is a PDF, not weights"),
    (4, b"TFL3", "this is a model of TensorFlow Lite, which is not read"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_are_no_weights_are_called_by_their_names() {
        let mut tar = vec![0; 512];
        tar[257..262].copy_from_slice(b"ustar");
        for (start, part) in [
            (&b""[..], "empty"),
            (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
            (b"<!DOCTYPE html>", "web page"),
            (b"GGUF\x03\0\0\0\x01", "GGUF"),
            (b"\x89HDF\r\n\x1a\n", "Keras"),
            (b"\x08\x07\x12\x07pytorch\x1a\x05", "ONNX"),
            (b"\x08\x0a:\xff\x12", "ONNX"),
            (b"\x1f\x8b\x08", "gunzip"),
            (b"\x93NUMPY\x01", "numpy"),
            (b"\x1c\0\0\0TFL3", "TensorFlow Lite"),
            (b"7z\xbc\xaf\x27\x1c", "7z"),
            (&tar, "tar"),
        ] {
            assert!(other_kind(start).unwrap().contains(part), "{part}");
        }
        for start in [
            &b"PK\x03\x04"[..],
            b"\x80\x04\x95",
            b"\x80\x02\x8a\x0al\xfc\x9cF\xf9",
            b"\x88\xa4step\x01",
            b"\x20\0\0\0\0\0\0\0{}",
            b"words",
        ] {
            assert_eq!(other_kind(start), None, "{start:?}");
        }
        for (start, part) in [
            (&b" {\"a\": 1}"[..], "JSON"),
            (b"\x0a\x2f\x0a\x0bPlaceholder", "TensorFlow"),
            (b"GIF89a", "GIF"),
            (b"words", "neither"),
        ] {
            assert!(unknown_kind(start).contains(part), "{part}");
        }
    }
}
