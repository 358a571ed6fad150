//! `onestep data fetch emoji`: gets drawings of emoji, and makes a data set of them.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use onestep::data::{
    EdmWriter, ImageShape, OutputLock, Outputs, Pixels, Split, ending, named_beside, write_whole,
};
use onestep_icons::{Class, Collection, Icon, IconError, LeftOut, Package, Record, Style};
use serde_json::json;

use crate::args::{EmojiArgs, StyleName};
use crate::failure::{Failure, Outcome, code, create_folder, io_failure};
use crate::features::cache;
use crate::print::{answer, say, typed};
use crate::progress::bar;
use crate::signals::StopFlag;

/// Runs the command.
pub fn run(args: &EmojiArgs, quiet: bool) -> Outcome<ExitCode> {
    let is_wanted = |style: &Style| args.styles.iter().any(|&name| style_named(name) == *style);
    let styles: Vec<Style> = Style::ALL.into_iter().filter(is_wanted).collect();
    let files = files(args, &styles)?;
    let sets = sets(args)?;
    for (package, file) in &files {
        let (megabytes, licence) = (package.bytes as f64 / 1e6, package.style.licence());
        let here = if file.is_file() { "; it is here" } else { "" };
        answer!("package      {}, {megabytes:.1} MB, {licence}{here}", package.full_name());
    }
    for (_, path) in &sets {
        answer!("to           {}", path.display());
    }
    if args.dry_run {
        return Ok(ExitCode::SUCCESS);
    }
    let inputs = files.iter().map(|(_, file)| file);
    let outputs = Outputs::default().overwrite(args.overwrite).spare_all(inputs);
    for (_, path) in &sets {
        outputs.check(path)?;
        outputs.check(&record_of(path))?;
    }
    let stop = StopFlag::listen()?;
    let missing: Vec<_> = files.iter().filter(|(_, file)| !file.is_file()).collect();
    if !missing.is_empty() {
        get(&missing, args, &stop, quiet)?;
    }
    stop.heed(quiet, "stopping; no set is written", || "stopped; no set is written".into());
    let mut collections = BTreeMap::new();
    for (package, file) in &files {
        collections.insert(package.style, collection(package, file, args.from.is_empty())?);
    }
    let icons = onestep_icons::icons(&collections, &styles, args.skin_tones)?;
    for &(size, ref path) in &sets {
        write_set(path, size, &icons, args.hold_out, &styles, &stop, quiet)?;
    }
    if !quiet {
        say!("next: onestep data info {}", typed(sets[0].1.display()));
    }
    Ok(ExitCode::SUCCESS)
}

fn style_named(name: StyleName) -> Style {
    match name {
        StyleName::FluentFlat => Style::FluentFlat,
        StyleName::Fluent => Style::Fluent,
        StyleName::Noto => Style::Noto,
        StyleName::NotoV1 => Style::NotoV1,
        StyleName::FxEmoji => Style::FxEmoji,
    }
}

/// The zip of each size.
fn sets(args: &EmojiArgs) -> Outcome<Vec<(u32, PathBuf)>> {
    let mut sizes = args.size.clone();
    sizes.sort_unstable();
    sizes.dedup();
    let out = args.out.clone().unwrap_or_default();
    match ending(&out).as_deref() {
        Some("zip") if sizes.len() == 1 => return Ok(vec![(sizes[0], out)]),
        Some("zip") => {
            let failure = Failure::usage("a zip has pictures of one size, and several were asked for");
            return Err(failure.hint("name a folder: --out FOLDER/"));
        }
        Some(other) => {
            let failure = Failure::usage(format!("the set is written as a zip, not as .{other}"));
            return Err(failure.hint("for a folder of that name, write a slash behind it"));
        }
        None => {}
    }
    Ok(sizes.into_iter().map(|size| (size, out.join(format!("emoji-{size}.zip")))).collect())
}

/// The JSON beside a zip, which says that it was made here.
fn record_of(path: &Path) -> PathBuf {
    path.with_extension("json")
}

/// The packages that the styles need, each with its file, which need not be there where it can be fetched.
fn files(args: &EmojiArgs, styles: &[Style]) -> Outcome<Vec<(&'static Package, PathBuf)>> {
    let packages: Vec<&Package> = onestep_icons::needed(styles).into_iter().map(Style::package).collect();
    if args.from.is_empty() {
        let folder = cache().ok_or_else(|| {
            Failure::usage("there is no home folder to keep packages in")
                .hint("set XDG_CACHE_HOME, or get them yourself and name them: --from FILE...")
        })?;
        let folder = folder.join("packages");
        return Ok(packages.into_iter().map(|package| (package, folder.join(package.file_name()))).collect());
    }
    let mut found = BTreeMap::new();
    for path in &args.from {
        if path.is_dir() {
            for package in &packages {
                // As npm names it, and as the registry does.
                let names = [package.file_name(), format!("{}-{}.tgz", package.prefix(), package.version)];
                if let Some(file) = names.iter().map(|name| path.join(name)).find(|file| file.is_file()) {
                    found.entry(package.style).or_insert(file);
                }
            }
            continue;
        }
        let package = Package::of_bytes(&read(path)?).ok_or_else(|| {
            let message = format!("{} is damaged, or is no package of emoji that is known", path.display());
            list_of(&packages, Failure::new(code::DATA, message))
        })?;
        found.entry(package.style).or_insert_with(|| path.clone());
    }
    let missing: Vec<&Package> =
        packages.iter().copied().filter(|package| !found.contains_key(&package.style)).collect();
    if !missing.is_empty() {
        let failure = Failure::new(code::DATA, "--from has not all of the packages that are needed");
        return Err(list_of(&missing, failure));
    }
    Ok(packages.into_iter().map(|package| (package, found[&package.style].clone())).collect())
}

/// Says how packages are had by other means.
fn list_of(packages: &[&Package], failure: Failure) -> Failure {
    let names: Vec<String> = packages.iter().map(|package| package.full_name()).collect();
    failure.hint(format!("npm pack {}", names.join(" ")))
}

fn read(path: &Path) -> Outcome<Vec<u8>> {
    std::fs::read(path).map_err(|error| io_failure("read", path, &error))
}

/// The drawings of a package, whose file is compared with what was published.
fn collection(package: &Package, file: &Path, is_kept: bool) -> Outcome<Collection> {
    let bytes = read(file)?;
    package.check(&bytes, &file.display().to_string()).map_err(|error| {
        let failure = Failure::from(error);
        match is_kept {
            true => failure.hint(format!("remove it, and run this again: rm {}", typed(file.display()))),
            false => list_of(&[package], failure),
        }
    })?;
    Ok(Collection::read(&bytes, package)?)
}

/// Fetches packages, where this build can.
#[cfg(feature = "fetch")]
fn get(missing: &[&(&'static Package, PathBuf)], args: &EmojiArgs, stop: &StopFlag, quiet: bool) -> Outcome {
    use onestep_fetch::{Download, Expected, Limits};

    for (package, file) in missing {
        if let Some(folder) = file.parent() {
            create_folder(folder)?;
        }
        let wanted = Download {
            address: address(package, args),
            to: file.clone(),
            expected: Some(Expected::Sha512(package.sha512())),
            most: package.bytes,
            limits: Limits::default(),
        };
        super::fetch::download(&wanted, package.bytes, stop, quiet)?;
        answer!("fetched      {}; size and digest are right", package.full_name());
    }
    Ok(())
}

/// Says how to get them, where this build cannot.
#[cfg(not(feature = "fetch"))]
fn get(missing: &[&(&'static Package, PathBuf)], args: &EmojiArgs, _: &StopFlag, _: bool) -> Outcome {
    let mut failure = Failure::new(code::USAGE, "this build does not talk to the network");
    if let Some(folder) = missing[0].1.parent() {
        failure = failure.hint(format!("mkdir -p {}", typed(folder.display())));
    }
    for (package, file) in missing {
        let [file, address] = [typed(file.display()), typed(address(package, args))];
        failure = failure.hint(format!("curl -L -C - -o {file} {address}"));
    }
    say!("nothing was fetched");
    Err(failure.hint("or a build that does: cargo build --release --features icons,fetch"))
}

fn address(package: &Package, args: &EmojiArgs) -> String {
    package.address(args.registry.as_deref().unwrap_or(Package::REGISTRY))
}

/// Draws the icons in one size, and writes them with what they are.
fn write_set(
    path: &Path,
    size: u32,
    icons: &[Icon<'_>],
    hold_out: Option<u32>,
    styles: &[Style],
    stop: &StopFlag,
    quiet: bool,
) -> Outcome {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        create_folder(folder)?;
    }
    let _lock = OutputLock::acquire(&record_of(path))?;
    let held_out = match hold_out.and_then(|every| NonZeroUsize::new(every as usize)) {
        None => None,
        Some(every) => {
            // Which are left out, as equal to others, is known when all are drawn: the share is one of what is there.
            let mut names = BTreeSet::new();
            draw(icons, size, "looked at", stop, quiet, |icon, _| {
                names.insert(icon.name);
                Ok(())
            })?;
            Some(onestep_icons::held_out(&names, every))
        }
    };
    let shape = ImageShape { height: size as usize, width: size as usize, channels: 3 };
    let mut zip = EdmWriter::create(path, Class::ALL.map(|class| class.name().to_owned()).to_vec())?;
    let (mut record, mut n_held_out) = (Record::new(styles), 0);
    let left_out = draw(icons, size, "images", stop, quiet, |icon, rgb| {
        let (pixels, class) = (Pixels::new(shape, rgb)?, icon.class.number());
        let name = match &held_out {
            None => zip.push(&pixels, class)?,
            Some(names) if names.contains(icon.name) => {
                n_held_out += 1;
                zip.push_to(Split::Test, &pixels, class)?
            }
            Some(_) => zip.push_to(Split::Train, &pixels, class)?,
        };
        record.push(name, icon);
        Ok(())
    })?;
    zip.add(Record::FILE_NAME, record.json().as_bytes())?;
    zip.add("LICENSES.txt", onestep_icons::licences(styles).as_bytes())?;
    zip.finish()?;
    let counts: BTreeMap<_, _> =
        styles.iter().map(|&style| (style.name(), record.count(Some(style), None))).collect();
    let packages: Vec<String> = styles.iter().map(|style| style.package().full_name()).collect();
    let beside = json!({
        "tool": onestep::TOOL, "files": named_beside(path)?, "images": record.n_images(), "size": size,
        "held_out": n_held_out, "styles": counts, "packages": packages,
        "left_out": { "equal": left_out.equal, "blank": left_out.blank },
    });
    write_whole(&record_of(path), |file| writeln!(file, "{beside:#}"))?;
    print_counts(path, size, &record, styles, left_out);
    if held_out.is_some() {
        answer!("held back    {n_held_out}, as the part `test`");
    }
    Ok(())
}

/// Draws the icons one after the other, until somebody asks to stop.
fn draw<'a>(
    icons: &[Icon<'a>],
    size: u32,
    what: &str,
    stop: &StopFlag,
    quiet: bool,
    mut keep: impl FnMut(&Icon<'a>, Vec<u8>) -> Outcome,
) -> Outcome<LeftOut> {
    let bar = bar(icons.len() as u64, what, quiet);
    let drawn = onestep_icons::draw(icons, size, |place, icon, rgb| {
        if stop.is_set() {
            return Err(Failure::new(code::STOPPED, "stopped; what was fetched is kept"));
        }
        bar.set_position(place as u64);
        keep(icon, rgb)
    });
    bar.finish_and_clear();
    drawn
}

fn print_counts(path: &Path, size: u32, record: &Record, styles: &[Style], left_out: LeftOut) {
    let LeftOut { equal, blank } = left_out;
    let images = record.n_images();
    answer!("written      {}", path.display());
    answer!("images       {images} of {size}x{size}; left out: {equal} equal to others, {blank} all white");
    for &style in styles {
        answer!("style        {}: {}", style.name(), record.count(Some(style), None));
    }
    for class in Class::ALL {
        answer!("class        {}: {}", class.name(), record.count(None, Some(class)));
    }
}

impl From<IconError> for Failure {
    fn from(error: IconError) -> Self {
        Self::new(code::DATA, error)
    }
}
