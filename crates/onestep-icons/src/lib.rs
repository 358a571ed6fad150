//! Emoji of several styles as small pictures: a data set for image models, made of packages that anybody can get.
//!
//! 1. A [`Style`] names the package that its drawings are published in; [`Package::check`] tells the right file by its digest.
//! 2. [`Collection::read`] reads the drawings of a package.
//! 3. [`icons`] says which of them make up the set, each with its [`Class`].
//! 4. `draw` (with the feature of that name) makes pictures of them, of any size, and passes over those that are equal; [`Record`] keeps what each of them is.
//!
//! Nothing here talks to a network, reads or writes a file by a name, or knows what becomes of the pictures.

mod class;
mod collection;
mod drawing;
mod error;
mod fxemoji;
mod licences;
mod package;
#[cfg(feature = "draw")]
mod picture;
mod record;
mod set;
mod style;
mod tgz;

pub use class::Class;
pub use collection::Collection;
pub use error::IconError;
pub use licences::licences;
pub use package::Package;
#[cfg(feature = "draw")]
pub use picture::{LeftOut, draw};
pub use record::Record;
pub use set::{Icon, held_out, icons, needed};
pub use style::Style;
