//! What can be typed behind `data fetch`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// Data sets that `data fetch` gets.
#[derive(Debug, Subcommand)]
pub enum FetchSet {
    /// Emoji of several styles in nine classes, drawn from npm packages into a zip.
    Emoji(EmojiArgs),
}

/// Options of `data fetch emoji`.
#[derive(Debug, Args)]
pub struct EmojiArgs {
    /// Pixels a side; several with commas between them make a zip each.
    #[arg(long, value_name = "LIST", default_value = "32", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(8..=512))]
    pub size: Vec<u32>,
    /// Styles, with commas between them; by default all.
    #[arg(long, value_name = "LIST", value_enum, value_delimiter = ',', default_values_t = StyleName::ALL, hide_default_value = true)]
    pub styles: Vec<StyleName>,
    /// Keep the variants by skin tone: five more of every drawing of a person.
    #[arg(long)]
    pub skin_tones: bool,
    /// Take the packages from these files, or from folders that hold them, and talk to no network.
    #[arg(long, value_name = "FOLDER|FILE", num_args = 1.., conflicts_with = "registry")]
    pub from: Vec<PathBuf>,
    /// Another npm registry to fetch from, for example a mirror.
    #[arg(long, value_name = "URL")]
    pub registry: Option<String>,
    /// Hold every N-th emoji back, in all its styles: the zip gets a part `train`, which training takes, and a part `test`.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(2..=1000))]
    pub hold_out: Option<u32>,
    /// The zip to write, or a folder to write it in; by default emoji-32.zip here, after its size.
    #[arg(short, long, value_name = "PATH")]
    pub out: Option<PathBuf>,
    /// Replace a file of that name that onestep made.
    #[arg(long)]
    pub overwrite: bool,
    /// Show packages, sizes and licences, and get nothing.
    #[arg(long)]
    pub dry_run: bool,
}

/// Styles of emoji.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum StyleName {
    /// Microsoft's Fluent in flat colors (MIT).
    FluentFlat,
    /// The same with light and shade (MIT).
    Fluent,
    /// Google's Noto (Apache-2.0).
    Noto,
    /// Noto as it was until 2017 (Apache-2.0).
    NotoV1,
    /// Mozilla's, of Firefox OS (CC BY 4.0).
    #[value(name = "fxemoji")]
    FxEmoji,
}

impl StyleName {
    const ALL: [Self; 5] = [Self::FluentFlat, Self::Fluent, Self::Noto, Self::NotoV1, Self::FxEmoji];
}
