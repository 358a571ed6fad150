//! The pictures of a source by their paths: which part of them is meant, and which class each is of.
//!
//! One set of rules for folders and archives, written down where users find it: at [`open`](super::open()).

use std::collections::{BTreeMap, BTreeSet};

use super::label_index::{self, LabelIndex, Labelled};
use super::natural::natural_order;
use super::spec::no_attributes;
use super::{DataError, DataSpec, Labels, Split};

/// The files of a source that matter, by their paths within it, with forward slashes.
pub(super) struct Tree {
    /// What to call the source in a message.
    pub(super) name: String,
    /// The pictures.
    pub(super) pictures: Vec<String>,
    /// Everything called `dataset.json`.
    pub(super) indexes: Vec<String>,
}

/// The pictures that are meant, and their classes.
pub(super) struct Arranged {
    /// Places among the pictures of the [`Tree`], in order.
    pub(super) chosen: Vec<usize>,
    /// One for each of them, or none at all.
    pub(super) labels: Option<Vec<usize>>,
    pub(super) class_names: Vec<String>,
}

impl Tree {
    /// `read` reads one of the `indexes`, which happens only if its labels are wanted; `full_name` is what to call a path.
    pub(super) fn arrange(
        &self,
        spec: &DataSpec,
        read: impl FnOnce(usize) -> Result<Vec<u8>, DataError>,
        full_name: impl Fn(&str) -> String,
    ) -> Result<Arranged, DataError> {
        let Part { chosen, home, learned, depth } = self.part(spec.split)?;
        let paths = self.paths(&chosen);
        let labelled = match spec.labels {
            Labels::None => None,
            Labels::FileName => {
                let known = self.paths(&learned).into_iter().filter_map(class_of_name).collect();
                Some(classes_of_names(&paths, &known, full_name)?)
            }
            Labels::Attribute(attribute) => return Err(no_attributes(attribute, &self.name)),
            Labels::Given => {
                let index = match self.nearest_index(shared_folder(&paths)) {
                    Some((place, home)) => {
                        let index = LabelIndex::parse(&read(place)?, &full_name(&self.indexes[place]))?;
                        index.map(|index| (index, home))
                    }
                    None => None,
                };
                match index {
                    Some((index, home)) => {
                        let within = paths.iter().map(|path| &path[home.len()..]);
                        index.labels(within, |place| full_name(paths[place]))?
                    }
                    None => {
                        let learned = self.paths(&learned);
                        let known = class_folders(&learned, 0, usize::MAX, &BTreeSet::new())
                            .into_iter()
                            .flatten()
                            .collect();
                        classes_of_folders(&paths, home, depth, &known, &self.name)?
                    }
                }
            }
        };
        let (labels, class_names) =
            labelled.map_or((None, Vec::new()), |(labels, names)| (Some(labels), names));
        Ok(Arranged { chosen, labels, class_names })
    }

    fn paths(&self, places: &[usize]) -> Vec<&str> {
        places.iter().map(|&place| &*self.pictures[place]).collect()
    }

    /// The pictures of one part, or all of a source that is one set.
    fn part(&self, split: Option<Split>) -> Result<Part, DataError> {
        let all: Vec<usize> = (0..self.pictures.len()).collect();
        let paths = self.paths(&all);
        let start = shared_folder(&paths).len();
        let parts =
            paths.iter().map(|path| path[start..].split_once('/').and_then(|(top, _)| Split::of_folder(top)));
        let Some(parts) =
            parts.collect::<Option<Vec<Split>>>().filter(|parts| is_layout(parts, &paths, start))
        else {
            return match split {
                None | Some(Split::Train) => {
                    Ok(Part { chosen: all, home: 0, learned: Vec::new(), depth: usize::MAX })
                }
                Some(split) => Err(DataError::NoSplit { name: self.name.clone(), split }),
            };
        };
        let of = |wanted| all.iter().copied().filter(|&place| parts[place] == wanted).collect::<Vec<_>>();
        let wanted = split.unwrap_or(Split::Train);
        let chosen = of(wanted);
        let Some(first) = chosen.first() else {
            return Err(DataError::NoSplit { name: self.name.clone(), split: wanted });
        };
        let home_of = |place: usize| start + paths[place][start..].find('/').map_or(0, |slash| slash + 1);
        let home = home_of(*first);
        let learned = if wanted == Split::Train { Vec::new() } else { of(Split::Train) };
        let depth = learned.first().map_or(usize::MAX, |&first| {
            shared_folder(&self.paths(&learned))[home_of(first)..].matches('/').count()
        });
        Ok(Part { chosen, home, learned, depth })
    }

    /// The `dataset.json` that lies deepest of those in `folder` or above it, and where it lies.
    fn nearest_index(&self, folder: &str) -> Option<(usize, &str)> {
        let homes = self.indexes.iter().map(|path| path.strip_suffix(label_index::FILE_NAME).unwrap_or(path));
        homes.enumerate().filter(|(_, home)| folder.starts_with(home)).max_by_key(|(_, home)| home.len())
    }
}

/// Pictures that are meant, by their places in the [`Tree`].
struct Part {
    chosen: Vec<usize>,
    /// Where in their paths what lies within the part begins.
    home: usize,
    /// Where another part is meant, the pictures to learn from: their classes have the first numbers.
    learned: Vec<usize>,
    /// How many folders lie between that part and its classes, which lie as deep in this one.
    depth: usize,
}

/// Whether these are the parts of a set: one folder each, one of them to learn from and another.
fn is_layout(parts: &[Split], paths: &[&str], start: usize) -> bool {
    let folders: BTreeSet<&str> = paths.iter().filter_map(|path| path[start..].split('/').next()).collect();
    let different: BTreeSet<usize> = parts.iter().map(|&part| part as usize).collect();
    different.len() > 1 && different.len() == folders.len() && parts.contains(&Split::Train)
}

/// The longest path of a folder that all paths begin with; it ends with a slash, unless it is the root, which is empty.
fn shared_folder<'a>(paths: &[&'a str]) -> &'a str {
    let folder = |path: &'a str| &path[..path.rfind('/').map_or(0, |slash| slash + 1)];
    let Some((first, rest)) = paths.split_first() else { return "" };
    rest.iter().fold(folder(first), |shared, path| {
        let is_same = |(a, b): &(u8, u8)| a == b;
        let n_same = shared.bytes().zip(path.bytes()).take_while(is_same).count();
        // Bytes may part within a letter, folders only at a slash.
        let end =
            shared.as_bytes()[..n_same].iter().rposition(|&byte| byte == b'/').map_or(0, |slash| slash + 1);
        &shared[..end]
    })
}

/// The class of each picture is the folder it lies in, of the first folders that are not shared by all.
fn classes_of_folders(
    paths: &[&str],
    home: usize,
    depth: usize,
    known: &BTreeSet<&str>,
    name: &str,
) -> Result<Option<Labelled>, DataError> {
    let folders = class_folders(paths, home, depth, known);
    let n_loose = folders.iter().filter(|folder| folder.is_none()).count();
    if n_loose == folders.len() {
        return Ok(None);
    }
    if n_loose > 0 {
        let [lie, have] = if n_loose == 1 { ["image lies", "has"] } else { ["images lie", "have"] };
        let reason = format!("{n_loose} {lie} beside the class folders and so {have} no class");
        return Err(DataError::labels(name, reason));
    }
    Ok(Some(numbered(&folders.into_iter().flatten().collect::<Vec<_>>(), known)))
}

/// The folder of each picture among the first that are not shared by all. A part may have images of one class alone: a shared folder
/// counts where it is known as a class, or lies as deep as classes do.
fn class_folders<'a>(
    paths: &[&'a str],
    home: usize,
    depth: usize,
    known: &BTreeSet<&str>,
) -> Vec<Option<&'a str>> {
    let shared = shared_folder(paths)[home..].split_inclusive('/').take(depth);
    let passed = shared.take_while(|folder| !known.contains(folder.trim_end_matches('/')));
    let start = home + passed.map(str::len).sum::<usize>();
    paths.iter().map(|path| path[start..].split_once('/').map(|(folder, _)| folder)).collect()
}

/// The class of each picture is what stands before the first `_` of its name.
fn classes_of_names(
    paths: &[&str],
    known: &BTreeSet<&str>,
    full_name: impl Fn(&str) -> String,
) -> Result<Labelled, DataError> {
    let class = |path: &&'_ str| {
        class_of_name(path).map(str::to_owned).ok_or_else(|| {
            let reason =
                "labels are asked of file names, and this one has nothing before a `_`, as `cat_17.png` has";
            DataError::labels(full_name(path), reason)
        })
    };
    let classes = paths.iter().map(class).collect::<Result<Vec<_>, _>>()?;
    Ok(numbered(&classes.iter().map(String::as_str).collect::<Vec<_>>(), known))
}

fn class_of_name(path: &str) -> Option<&str> {
    let name = path.rsplit('/').next()?;
    name.split_once('_').map(|(class, _)| class).filter(|class| !class.is_empty())
}

/// Numbers for classes by name, those that are known first, and the names in the order of the numbers.
fn numbered(classes: &[&str], known: &BTreeSet<&str>) -> Labelled {
    let in_order = |names: BTreeSet<&str>| {
        let mut names: Vec<String> = names.into_iter().map(str::to_owned).collect();
        names.sort_by(|a, b| natural_order(a, b));
        names
    };
    let others = classes.iter().copied().filter(|class| !known.contains(class)).collect();
    let names: Vec<String> = in_order(known.clone()).into_iter().chain(in_order(others)).collect();
    let number_of: BTreeMap<&str, usize> =
        names.iter().enumerate().map(|(number, name)| (&**name, number)).collect();
    (classes.iter().map(|class| number_of[class]).collect(), names)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The class of each picture by name.
    fn classes(paths: &[&str]) -> Option<Vec<String>> {
        let (labels, names) = classes_of_folders(paths, 0, usize::MAX, &BTreeSet::new(), "set").unwrap()?;
        Some(labels.into_iter().map(|label| names[label].clone()).collect())
    }

    #[test]
    fn the_first_folders_that_are_not_shared_are_the_classes() {
        assert_eq!(classes(&["cat/1.png", "dog/1.png"]).unwrap(), ["cat", "dog"]);
        assert_eq!(
            classes(&["set/all/cat/1.png", "set/all/cat/x/2.png", "set/all/cart/y/3.png"]).unwrap(),
            ["cat", "cat", "cart"]
        );
        assert_eq!(classes(&["2020/cat/1.png", "2021/cat/1.png"]).unwrap(), ["2020", "2021"]);
        for unlabelled in [&["1.png", "2.png"][..], &["a/b/1.png", "a/b/2.png"], &["a/1.png"]] {
            assert_eq!(classes(unlabelled), None);
        }
        let refused = |paths: &[&str]| {
            classes_of_folders(paths, 0, usize::MAX, &BTreeSet::new(), "set").unwrap_err().to_string()
        };
        assert!(
            refused(&["a/b/1.png", "a/2.png"])
                .contains("1 image lies beside the class folders and so has no class")
        );
        assert!(
            refused(&["b/1.png", "2.png", "3.png"])
                .contains("2 images lie beside the class folders and so have")
        );
    }

    #[test]
    fn parts_are_parts_where_nothing_else_is_there() {
        let part = |paths: &[&str], split| {
            let pictures = paths.iter().map(|&path| path.to_owned()).collect();
            let tree = Tree { name: "set".into(), pictures, indexes: Vec::new() };
            tree.part(split)
                .ok()
                .map(|part| part.chosen.into_iter().map(|place| paths[place].to_owned()).collect())
        };
        let of = |paths: &[&str]| {
            [None, Some(Split::Train), Some(Split::Val), Some(Split::Test)].map(|s| part(paths, s))
        };
        let some = |paths: &[&str]| Some(paths.iter().map(|&path| path.to_owned()).collect::<Vec<_>>());
        let three = ["x/train/a/1.png", "x/test/a/2.png", "x/valid/a/3.png"];
        assert_eq!(of(&three), [some(&three[..1]), some(&three[..1]), some(&three[2..]), some(&three[1..2])]);
        for whole in [
            &["train/1.png", "bus/1.png", "test/1.png"][..],
            &["train/1.png", "test/1.png", "1.png"],
            &["test/1.png", "val/1.png"],
            &["train/1.png", "train/2.png"],
            &["train/1.png", "val/2.png", "validation/3.png"],
        ] {
            assert_eq!(of(whole), [some(whole), some(whole), None, None], "{whole:?}");
        }
    }
}
