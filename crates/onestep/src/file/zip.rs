//! Zip archives, opened where they begin.

use std::io::{Read, Seek, SeekFrom};

use ::zip::ZipArchive;
use ::zip::read::{ArchiveOffset, Config};
use ::zip::result::ZipResult;

/// What an archive begins with that has nothing in front of it.
const FIRST_ENTRY: &[u8; 4] = b"PK\x03\x04";

/// Opens an archive.
///
/// Where it begins is found out only for those with something in front, such as a program that unpacks them: what the crate takes for
/// the beginning of others is wrong for a file of `torch.save` whose first entry happens to have a name of 30 letters, because these
/// have a record of 76 bytes behind their list of entries.
pub(crate) fn open_zip<R: Read + Seek>(mut reader: R) -> ZipResult<ZipArchive<R>> {
    let mut start = [0; 4];
    reader.seek(SeekFrom::Start(0))?;
    let begins = reader.read_exact(&mut start).is_ok() && start == *FIRST_ENTRY;
    reader.seek(SeekFrom::Start(0))?;
    let archive_offset = if begins { ArchiveOffset::Known(0) } else { ArchiveOffset::Detect };
    ZipArchive::with_config(Config { archive_offset }, reader)
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};

    use ::zip::ZipWriter;
    use ::zip::write::SimpleFileOptions;

    use super::*;

    fn archive(first: &str) -> Vec<u8> {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for name in [first, "second"] {
            zip.start_file(name, SimpleFileOptions::default()).unwrap();
            zip.write_all(name.as_bytes()).unwrap();
        }
        zip.finish().unwrap().into_inner()
    }

    /// Puts the records of zip64 behind the list of entries, as `torch.save` does whatever the size.
    fn with_zip64_records(zip: &[u8]) -> Vec<u8> {
        let (body, end) = zip.split_at(zip.len() - 22);
        let field = |at: usize| u64::from(u32::from_le_bytes(end[at..at + 4].try_into().unwrap()));
        let mut bytes = body.to_vec();
        bytes.extend(b"PK\x06\x06");
        bytes.extend(44u64.to_le_bytes());
        bytes.extend([45, 0, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        for number in [2, 2, field(12), field(16)] {
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend(b"PK\x06\x07\0\0\0\0");
        bytes.extend((body.len() as u64).to_le_bytes());
        bytes.extend(1u32.to_le_bytes());
        bytes.extend(end);
        bytes
    }

    #[test]
    fn an_archive_is_read_whatever_its_first_entry_is_called() {
        for length in 20..40 {
            let first = "a".repeat(length);
            let mut reader = Cursor::new(with_zip64_records(&archive(&first)));
            // Whoever opens it has looked at its beginning.
            reader.set_position(8);
            let mut zip = open_zip(reader).unwrap();
            let mut text = String::new();
            assert_eq!(zip.len(), 2, "{first}");
            zip.by_name(&first).unwrap().read_to_string(&mut text).unwrap();
            assert_eq!(text, first);
        }
    }

    #[test]
    fn an_archive_behind_something_else_is_read() {
        let mut bytes = b"#!/bin/sh\n".to_vec();
        bytes.extend(archive("first"));
        assert_eq!(open_zip(Cursor::new(bytes)).unwrap().len(), 2);
    }
}
