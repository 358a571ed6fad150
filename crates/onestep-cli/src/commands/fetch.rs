//! `onestep fetch`: gets a published checkpoint, once.

use std::path::PathBuf;
use std::process::ExitCode;

use onestep::interop::{Caches, Published};

use crate::args::FetchArgs;
use crate::failure::{Failure, Outcome, code};
use crate::print::{answer, say, typed};

/// Runs the command.
pub fn run(args: &FetchArgs, quiet: bool) -> Outcome<ExitCode> {
    let Some(published) = Published::find(&args.name) else {
        let failure = Failure::usage(format!("no published checkpoint is called `{}`", args.name));
        return Err(failure.hint("`onestep models` lists them"));
    };
    let folder = args.out.clone().or(Caches::of_user().fetched).ok_or_else(|| {
        Failure::usage("there is no home folder to keep it in").hint("name a folder: --out FOLDER")
    })?;
    let to = folder.join(published.local_file());
    let address = args.from.clone().unwrap_or_else(|| published.address());
    answer!("model        {}: {}, {}", published.name, published.what, published.images);
    answer!("from         {address}");
    answer!("to           {}", to.display());
    answer!("size         about {} MB", published.about_bytes / 1_000_000);
    answer!("licence      {}", published.licence);
    if to.is_file() {
        answer!("it is here already");
        return Ok(ExitCode::SUCCESS);
    }
    if args.dry_run {
        return Ok(ExitCode::SUCCESS);
    }
    if published.licence.contains("not for commercial use") && !args.accept_licence {
        let failure = Failure::usage("its licence has conditions");
        return Err(failure.hint("to accept them: --accept-licence"));
    }
    fetched(published, address, to, quiet)
}

/// Fetches it, where this build can.
#[cfg(feature = "fetch")]
fn fetched(published: &Published, address: String, to: PathBuf, quiet: bool) -> Outcome<ExitCode> {
    use onestep_fetch::{Download, Expected, Limits};

    use crate::failure::create_folder;
    use crate::signals::StopFlag;

    if let Some(folder) = to.parent() {
        create_folder(folder)?;
    }
    let wanted = Download {
        address,
        to: to.clone(),
        expected: published.sha256.map(|digest| Expected::Sha256(digest.to_owned())),
        // What a list says is about right; three times as much is something else.
        most: 3 * published.about_bytes,
        limits: Limits::default(),
    };
    let stop = StopFlag::listen()?;
    let fetched = download(&wanted, published.about_bytes, &stop, quiet)?;
    answer!("sha256       {}", fetched.sha256);
    match fetched.compared {
        Some(_) => answer!("checked      size and digest are right"),
        None => answer!("checked      size alone: neither publisher nor server gives a digest"),
    }
    if !quiet {
        say!("next: onestep sample {}", typed(published.name));
    }
    Ok(ExitCode::SUCCESS)
}

/// Fetches one file and shows how far it is; `about` is its size where the server does not say.
#[cfg(feature = "fetch")]
pub fn download(
    what: &onestep_fetch::Download,
    about: u64,
    stop: &crate::signals::StopFlag,
    quiet: bool,
) -> Outcome<onestep_fetch::Fetched> {
    let offer = what.look().map_err(failure)?;
    let megabytes = |bytes: u64| bytes / 1_000_000;
    let bar = crate::progress::bar(megabytes(offer.size.unwrap_or(about)), "MB", quiet);
    stop.heed(quiet, "stopping; what has come is kept", || "stopped; what has come is kept".into());
    let fetched = what.run(&offer, |progress| {
        bar.set_position(megabytes(progress.received));
        !stop.is_set()
    });
    bar.finish_and_clear();
    fetched.map_err(failure)
}

/// What a download that failed says and returns.
#[cfg(feature = "fetch")]
fn failure(error: onestep_fetch::FetchError) -> Failure {
    use onestep_fetch::FetchError;

    let code = match &error {
        FetchError::Stopped { .. } | FetchError::BrokenOff { .. } => code::STOPPED,
        FetchError::DiskFull { .. } | FetchError::Write { .. } | FetchError::InUse { .. } => {
            code::CANNOT_CREATE
        }
        FetchError::WrongDigest { .. } | FetchError::WrongSize { .. } | FetchError::TooLarge { .. } => {
            code::DATA
        }
        _ => code::IO,
    };
    Failure::new(code, error)
}

/// Says how to get it, where this build cannot.
#[cfg(not(feature = "fetch"))]
fn fetched(_: &Published, address: String, to: PathBuf, _: bool) -> Outcome<ExitCode> {
    let failure = Failure::new(code::USAGE, "this build does not talk to the network");
    let folder = to.parent().map_or_else(String::new, |folder| typed(folder.display()));
    let failure = failure
        .hint(format!("mkdir -p {folder} && curl -L -C - -o {} {}", typed(to.display()), typed(address)))
        .hint("or a build that does: cargo build --release --features fetch");
    say!("nothing was fetched");
    Err(failure)
}
