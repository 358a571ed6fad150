//! The one room that prints: answers to standard output, everything else to standard error. Neither ends what is being done.
//!
//! [`say!`] talks on standard error; where nobody listens any more (a closed terminal, a full disk behind `2>`), it says nothing, and
//! the work goes on. [`answer!`] writes what was asked for to standard output; the first failure is kept until the work is done and
//! its files are saved, and then decides the exit code: 74 with a line, or, where the reader of a pipe has left, 141 in silence, as a
//! program ended by SIGPIPE would give.

use std::fmt::{Arguments, Display};
use std::io::{self, Read, Write};
use std::sync::{Mutex, MutexGuard, OnceLock};

/// The first failure of standard output.
static LOST: Mutex<Option<io::Error>> = Mutex::new(None);

/// Which of several processes this is, where it is not the first.
static RANK: OnceLock<usize> = OnceLock::new();

/// From here on every line of talk names the process that it is of; the first of several needs no name.
#[cfg(feature = "mpi")]
pub fn speak_as_rank(rank: usize) {
    if rank > 0 {
        let _ = RANK.set(rank);
    }
}

/// Talks: one line on standard error, if there is somebody to hear it.
macro_rules! say {
    ($($text:tt)*) => { $crate::print::talk(format_args!($($text)*)) };
}

/// Answers: one line on standard output.
macro_rules! answer {
    () => { $crate::print::write_answer(format_args!("\n")) };
    ($($text:tt)*) => { $crate::print::write_answer(format_args!("{}\n", format_args!($($text)*))) };
}

/// Answers with text that has its own ends of lines.
macro_rules! answer_text {
    ($($text:tt)*) => { $crate::print::write_answer(format_args!($($text)*)) };
}

pub(crate) use {answer, answer_text, say};

/// A path or a source of data as a shell takes it, in a command that people are told to type: in quotes where it needs them.
pub fn typed(path: impl Display) -> String {
    let path = path.to_string();
    // What begins with a dash would be an option.
    let path = if path.starts_with('-') { format!("./{path}") } else { path };
    let is_plain = |letter: char| letter.is_alphanumeric() || "-_./:,=@%+".contains(letter);
    match !path.is_empty() && path.chars().all(is_plain) {
        true => path,
        false => format!("'{}'", path.replace('\'', r"'\''")),
    }
}

/// Writes one line to standard error, whole, or nothing.
pub fn talk(line: Arguments<'_>) {
    let line = match RANK.get() {
        Some(rank) => format!("rank {rank}: {line}\n"),
        None => format!("{line}\n"),
    };
    let _ = io::stderr().write_all(line.as_bytes());
}

/// Writes to standard output, and keeps what goes wrong for [`lost`].
pub fn write_answer(text: Arguments<'_>) {
    write(|out| out.write_all(text.to_string().as_bytes()));
}

/// Writes a file to standard output.
pub fn write_file(file: &mut dyn Read) {
    write(|out| io::copy(file, out).map(drop));
}

/// What `--help` and `--version` print, and what was not understood.
pub fn usage(error: &clap::Error) {
    if error.use_stderr() {
        // That nobody hears it changes nothing.
        let _ = error.print();
    } else {
        write(|_| error.print());
    }
}

/// What standard output met first, if it did not take everything.
pub fn lost() -> Option<io::Error> {
    lost_so_far().take()
}

fn lost_so_far() -> MutexGuard<'static, Option<io::Error>> {
    LOST.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

fn write(body: impl FnOnce(&mut io::StdoutLock<'_>) -> io::Result<()>) {
    let mut lost = lost_so_far();
    if lost.is_some() {
        return;
    }
    let mut out = io::stdout().lock();
    if let Err(error) = body(&mut out).and_then(|()| out.flush()) {
        *lost = Some(error);
    }
}

#[cfg(test)]
mod tests {
    use super::typed;

    #[test]
    fn what_is_to_be_typed_is_one_word_of_a_shell() {
        for (path, word) in [
            ("runs/mine", "runs/mine"),
            ("builtin:emoji", "builtin:emoji"),
            ("Bücher,b", "Bücher,b"),
            ("my ph'otos", r"'my ph'\''otos'"),
            ("$HOME", "'$HOME'"),
            ("a\\b", r"'a\b'"),
            ("~", "'~'"),
            ("-r", "./-r"),
            ("", "''"),
        ] {
            assert_eq!(typed(path), word);
        }
    }
}
