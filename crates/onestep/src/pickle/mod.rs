//! Reading Python's pickles without being Python.
//!
//! A pickle is a program for a stack machine whose instructions can name any function and call it. The [`Machine`] knows the
//! instructions that build plain values; a [`Dialect`] knows a few names, recognises calls of them by their arguments, and
//! builds what they would have built. Any other instruction or name ends the reading with an error. Nothing is ever called.

mod instructions;
mod machine;

pub(crate) use machine::{Id, Limits, Machine, Node};

/// The names that one kind of file has a need of, and what stands in for calls of them.
///
/// Errors are sentences about the file, such as "it asks for `os.system`".
pub(crate) trait Dialect: Sized {
    /// A name that a pickle may ask for.
    type Name: Copy + std::fmt::Debug;
    /// What calls of those names build, where it is no plain value.
    type Object: std::fmt::Debug;

    /// The longest byte string that is taken into memory; of longer ones the place is remembered.
    const LONGEST_BYTES: usize = usize::MAX;
    /// The longest text that is.
    const LONGEST_TEXT: usize = usize::MAX;

    /// Looks a name up.
    fn find(module: &str, name: &str) -> Option<Self::Name>;

    /// Stands in for a call; for one that makes an object of a class, too.
    fn call(
        machine: &mut Machine<'_, Self>,
        callable: Self::Name,
        arguments: &[Id],
    ) -> Result<NodeOf<Self>, String>;

    /// Stands in for giving an object its state.
    fn set_state(machine: &mut Machine<'_, Self>, target: Id, state: Id) -> Result<(), String>;

    /// Stands in for what the pickle refers to without holding it.
    fn persistent(_machine: &mut Machine<'_, Self>, _reference: Id) -> Result<NodeOf<Self>, String> {
        Err("it refers to something that it does not hold".to_owned())
    }
}

/// The values of a dialect.
pub(crate) type NodeOf<D> = Node<<D as Dialect>::Name, <D as Dialect>::Object>;
