use std::path::PathBuf;

use super::fingerprint::Fingerprint;
use super::image_set::{PictureReader, Pictures};
use super::{DataError, PassedOver, Pixels};

/// Puts the containers at `paths` one after another, if their labels agree.
pub(super) fn join(mut parts: Vec<Pictures>, paths: &[PathBuf]) -> Result<Pictures, DataError> {
    if parts.len() == 1 {
        return Ok(parts.remove(0));
    }
    let mut joined: Option<(Option<Vec<usize>>, Vec<String>)> = None;
    let mut readers = Vec::with_capacity(parts.len());
    let mut passed_over = PassedOver::default();
    for (part, path) in parts.into_iter().zip(paths) {
        let disagree = |what: &str| {
            let reason = format!("{what} than the sources before it, so they cannot be joined");
            DataError::labels(path.display().to_string(), reason)
        };
        passed_over.add_all(&part.passed_over);
        readers.push(part.reader);
        joined = Some(match (joined, part.labels) {
            (None, labels) => (labels, part.class_names),
            (Some((None, names)), None) => (None, names),
            (Some((Some(mut labels), names)), Some(more)) => {
                let names =
                    common_names(names, part.class_names).ok_or_else(|| disagree("it has other classes"))?;
                labels.extend(more);
                (Some(labels), names)
            }
            (Some((Some(_), _)), None) => return Err(disagree("it has no labels, other")),
            (Some((None, _)), Some(_)) => return Err(disagree("it has labels, other")),
        });
    }
    let (labels, class_names) = joined.unwrap_or_default();
    Ok(Pictures { reader: Box::new(Joined { readers }), labels, class_names, passed_over })
}

/// The names of classes that two sources have together: the same, or the names of one where the other has none or numbers only.
fn common_names(a: Vec<String>, b: Vec<String>) -> Option<Vec<String>> {
    let are_numbers =
        |names: &[String]| names.iter().enumerate().all(|(number, name)| *name == number.to_string());
    match (are_numbers(&a), are_numbers(&b)) {
        // Where one does not say how many there are, its labels do.
        (true, true) if a.is_empty() || b.is_empty() => Some(Vec::new()),
        (true, true) => Some(if a.len() < b.len() { b } else { a }),
        (true, false) if a.len() <= b.len() => Some(b),
        (false, true) if b.len() <= a.len() => Some(a),
        _ => (a == b).then_some(a),
    }
}

/// Several containers as one; images keep their order.
struct Joined {
    readers: Vec<Box<dyn PictureReader>>,
}

impl Joined {
    /// The container that holds an image, and the image's number in it.
    fn locate(&self, index: usize) -> (&dyn PictureReader, usize) {
        let mut within = index;
        let mut reader = &*self.readers[0];
        for candidate in &self.readers {
            reader = &**candidate;
            if within < reader.len() {
                break;
            }
            within -= reader.len();
        }
        (reader, within)
    }
}

impl PictureReader for Joined {
    fn len(&self) -> usize {
        self.readers.iter().map(|reader| reader.len()).sum()
    }

    fn channels(&self) -> usize {
        self.readers.iter().map(|reader| reader.channels()).max().unwrap_or(3)
    }

    fn uniform_size(&self) -> Option<(usize, usize)> {
        let first = self.readers.first()?.uniform_size()?;
        self.readers.iter().all(|reader| reader.uniform_size() == Some(first)).then_some(first)
    }

    fn size(&self, index: usize) -> Result<(usize, usize), DataError> {
        let (reader, within) = self.locate(index);
        reader.size(within)
    }

    fn pixels(&self, index: usize) -> Result<Pixels, DataError> {
        let (reader, within) = self.locate(index);
        reader.pixels(within)
    }

    fn source(&self, index: usize) -> String {
        let (reader, within) = self.locate(index);
        reader.source(within)
    }

    fn digest(&self, index: usize, hasher: &mut Fingerprint) {
        let (reader, within) = self.locate(index);
        reader.digest(within, hasher);
    }

    fn read_as(&self) -> Option<String> {
        let each: Vec<String> = self.readers.iter().filter_map(|reader| reader.read_as()).collect();
        (!each.is_empty()).then(|| each.join("; "))
    }
}
