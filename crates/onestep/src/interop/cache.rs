//! Models by name: those that other programs have put into the cache of the Hugging Face hub, and those that were fetched here.

use std::path::{Path, PathBuf};

use super::Published;

/// The folders in which models lie that were downloaded before; nothing is ever downloaded from here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Caches {
    /// The hub's cache: `models--ORG--NAME` and so on.
    pub hub: Option<PathBuf>,
    /// Published checkpoints that were fetched here.
    pub fetched: Option<PathBuf>,
}

/// A name that no cache has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CacheError {
    /// A repository of the hub that was not downloaded, or not in this revision.
    #[error("`{name}` is not in the cache of the Hugging Face hub ({}){}", cache.display(), seen(revisions))]
    NotCached {
        /// What was asked for.
        name: String,
        /// The cache.
        cache: PathBuf,
        /// The revisions that are there.
        revisions: Vec<String>,
    },
    /// A published checkpoint that was not fetched.
    #[error("`{name}` has not been fetched; `onestep fetch {name}` does it, once ({} MB)", bytes / 1_000_000)]
    NotFetched {
        /// Its name.
        name: &'static str,
        /// Its size, about.
        bytes: u64,
    },
}

fn seen(revisions: &[String]) -> String {
    match revisions {
        [] => "; `hf download NAME` of the package huggingface_hub puts it there".into(),
        some => format!(" in that revision; there are {}", some.join(", ")),
    }
}

impl Caches {
    /// The caches of this user, as the programs that fill them find them.
    ///
    /// The hub's: `HF_HUB_CACHE`, else `HUGGINGFACE_HUB_CACHE`, else `hub` in `HF_HOME`, else in `huggingface` in `XDG_CACHE_HOME` or
    /// `~/.cache`. Ours: `ONESTEP_MODELS`, else `onestep/models` in `XDG_CACHE_HOME` or `~/.cache`.
    pub fn of_user() -> Self {
        Self::from_variables(|name| {
            std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
        })
    }

    fn from_variables(variable: impl Fn(&str) -> Option<PathBuf>) -> Self {
        let home = || variable("HOME").or_else(|| variable("USERPROFILE"));
        let cache = || variable("XDG_CACHE_HOME").or_else(|| Some(home()?.join(".cache")));
        let hub = variable("HF_HUB_CACHE")
            .or_else(|| variable("HUGGINGFACE_HUB_CACHE"))
            .or_else(|| Some(variable("HF_HOME")?.join("hub")))
            .or_else(|| Some(cache()?.join("huggingface").join("hub")));
        let fetched = variable("ONESTEP_MODELS").or_else(|| Some(cache()?.join("onestep").join("models")));
        Self { hub, fetched }
    }

    /// The place of a model: a path that is there is itself; `org/name@revision` is looked up in the hub's cache (the revision may be
    /// left out: `main`), and the name of a published checkpoint among those that were fetched. Anything else is the path that it is.
    ///
    /// # Errors
    ///
    /// [`CacheError`] for a name that could be nothing else, and that is not there.
    pub fn locate(&self, path: &Path) -> Result<PathBuf, CacheError> {
        if path.exists() {
            return Ok(path.to_path_buf());
        }
        let Some(text) = path.to_str() else { return Ok(path.to_path_buf()) };
        if let Some(published) = Published::find(text) {
            let file = self.fetched.as_ref().map(|folder| folder.join(published.local_file()));
            return match file.filter(|file| file.is_file()) {
                Some(file) => Ok(file),
                // With an ending it is a file that is not where it was looked for.
                None if text.contains('.') => Ok(path.to_path_buf()),
                None => Err(CacheError::NotFetched { name: published.name, bytes: published.about_bytes }),
            };
        }
        match (Repository::parse(text), &self.hub) {
            (Some(repository), Some(hub)) => repository.in_hub(hub, path),
            _ => Ok(path.to_path_buf()),
        }
    }
}

/// `org/name@revision`.
#[derive(Debug, PartialEq, Eq)]
struct Repository<'a> {
    organisation: &'a str,
    name: &'a str,
    revision: Option<&'a str>,
}

impl<'a> Repository<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (name, revision) = match text.split_once('@') {
            Some((name, revision)) => (name, Some(revision)),
            None => (text, None),
        };
        let (organisation, name) = name.split_once('/')?;
        // Nothing that leads out of the cache: no further slash, no name of dots alone.
        let is_plain = |part: &str| {
            part.starts_with(|letter: char| letter.is_ascii_alphanumeric())
                && part.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_.".contains(letter))
        };
        let plain = is_plain(organisation) && is_plain(name) && revision.is_none_or(is_plain);
        plain.then_some(Self { organisation, name, revision })
    }

    /// Its newest snapshot, or that of its revision.
    fn in_hub(&self, hub: &Path, path: &Path) -> Result<PathBuf, CacheError> {
        let folder = hub.join(format!("models--{}--{}", self.organisation, self.name));
        if !folder.is_dir() && self.revision.is_none() && !hub_name_is_likely(path) {
            return Ok(path.to_path_buf());
        }
        let revision = self.revision.unwrap_or("main");
        let named = std::fs::read_to_string(folder.join("refs").join(revision)).ok();
        let commit = named.as_deref().map_or(revision, str::trim);
        let snapshot = folder.join("snapshots").join(commit);
        if commit.chars().all(|letter| letter.is_ascii_alphanumeric()) && snapshot.is_dir() {
            return Ok(snapshot);
        }
        let entries = std::fs::read_dir(folder.join("refs")).into_iter().flatten().flatten();
        let mut revisions: Vec<String> =
            entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        revisions.sort();
        let name = path.display().to_string();
        Err(CacheError::NotCached { name, cache: hub.to_path_buf(), revisions })
    }
}

/// Whether a path that is not there looks like a repository rather than a file in a folder: its folder is not there either, and it
/// has no ending of a file.
fn hub_name_is_likely(path: &Path) -> bool {
    let known = ["safetensors", "pt", "pth", "pkl", "bin", "msgpack", "onnx", "ckpt"];
    let ending = path.extension().and_then(|ending| ending.to_str());
    let parent_is_there = path.parent().is_some_and(Path::is_dir);
    !parent_is_there
        && path.components().count() == 2
        && !ending.is_some_and(|ending| known.contains(&ending))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn caches_are_where_the_programs_that_fill_them_put_them() {
        let caches = |variables: &[(&str, &str)]| {
            let variables: HashMap<_, _> = variables.iter().copied().collect();
            let Caches { hub, fetched } =
                Caches::from_variables(|name| variables.get(name).map(PathBuf::from));
            [hub, fetched].map(|path| path.map(|path| path.to_str().unwrap().to_owned()))
        };
        let some = |hub: &str, fetched: &str| [Some(hub.to_owned()), Some(fetched.to_owned())];
        assert_eq!(caches(&[]), [None, None]);
        assert_eq!(caches(&[("HOME", "/h")]), some("/h/.cache/huggingface/hub", "/h/.cache/onestep/models"));
        assert_eq!(
            caches(&[("HOME", "/h"), ("XDG_CACHE_HOME", "/x"), ("HF_HOME", "/f")]),
            some("/f/hub", "/x/onestep/models")
        );
        assert_eq!(
            caches(&[("HOME", "/h"), ("HF_HOME", "/f"), ("HF_HUB_CACHE", "/c"), ("ONESTEP_MODELS", "/o")]),
            some("/c", "/o")
        );
    }

    #[test]
    fn repositories_are_found_by_their_revisions() {
        let hub = tempfile::tempdir().unwrap();
        let folder = hub.path().join("models--org--name");
        for (reference, commit) in [("main", "aaa1"), ("v2", "bbb2")] {
            std::fs::create_dir_all(folder.join("snapshots").join(commit)).unwrap();
            std::fs::create_dir_all(folder.join("refs")).unwrap();
            std::fs::write(folder.join("refs").join(reference), commit).unwrap();
        }
        let caches = Caches { hub: Some(hub.path().to_path_buf()), fetched: None };
        let locate = |name: &str| caches.locate(Path::new(name));
        let snapshot = |commit: &str| Ok(folder.join("snapshots").join(commit));
        assert_eq!(locate("org/name"), snapshot("aaa1"));
        assert_eq!(locate("org/name@v2"), snapshot("bbb2"));
        assert_eq!(locate("org/name@bbb2"), snapshot("bbb2"));
        let error = locate("org/name@v3").unwrap_err().to_string();
        assert!(error.contains("main, v2"), "{error}");
        let error = locate("org/other").unwrap_err().to_string();
        assert!(error.contains("hf download"), "{error}");
        // Paths stay what they are, and names that would lead out of the cache are paths.
        for path in [
            "runs/model.safetensors",
            "../name",
            "org/..",
            "org/name@..",
            "a/b/c",
            "model.pt",
            "org/name@../x",
        ] {
            assert_eq!(locate(path), Ok(PathBuf::from(path)), "{path}");
        }
    }

    #[test]
    fn published_checkpoints_are_found_where_they_were_fetched() {
        let folder = tempfile::tempdir().unwrap();
        let caches = Caches { hub: None, fetched: Some(folder.path().to_path_buf()) };
        let locate = |name: &str| caches.locate(Path::new(name));
        let error = locate("cd-imagenet64-lpips").unwrap_err().to_string();
        assert!(error.contains("onestep fetch cd-imagenet64-lpips"), "{error}");
        let file = folder.path().join("cd_imagenet64_lpips.pt");
        std::fs::write(&file, b"weights").unwrap();
        assert_eq!(locate("cd-imagenet64-lpips"), Ok(file));
    }
}
