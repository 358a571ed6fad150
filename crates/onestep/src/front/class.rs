//! Classes of a model by what people call them.

use super::Model;
use crate::sample::SampleError;

impl Model {
    /// The number of a class that is called by its number, its name, or the beginning of its name, in capitals or not.
    ///
    /// # Errors
    ///
    /// - [`SampleError::NoClasses`] for an unconditional model.
    /// - [`SampleError::NoSuchClass`] and [`SampleError::ClassUnknown`] for a number and a name that it does not have,
    ///   [`SampleError::ClassesUnnamed`] where no class has a name.
    /// - [`SampleError::ClassUnclear`] for the beginning of several names.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// let model = onestep::open("runs/emoji-cd")?;
    /// let flags = model.class_number("flags")?;
    /// let samples = model.draw().seeds(0..8).classes([flags]).run()?;
    /// # Ok::<(), onestep::Error>(())
    /// ```
    pub fn class_number(&self, called: &str) -> Result<usize, SampleError> {
        let n_classes = self.n_classes().ok_or(SampleError::NoClasses)?;
        number_of(called, self.class_names(), n_classes)
    }
}

fn number_of(called: &str, names: &[String], n_classes: usize) -> Result<usize, SampleError> {
    if let Ok(number) = called.parse::<usize>() {
        return if number < n_classes {
            Ok(number)
        } else {
            Err(SampleError::NoSuchClass { number, n_classes })
        };
    }
    if let Some(exact) = names.iter().position(|name| name.eq_ignore_ascii_case(called)) {
        return Ok(exact);
    }
    let begins = |name: &String| {
        let start = name.get(..called.len());
        !called.is_empty() && start.is_some_and(|start| start.eq_ignore_ascii_case(called))
    };
    let called = called.to_owned();
    let mut fitting = names.iter().enumerate().filter(|(_, name)| begins(name));
    match (fitting.next(), fitting.next()) {
        (Some((number, _)), None) => Ok(number),
        (Some((_, one)), Some((_, other))) => {
            Err(SampleError::ClassUnclear { called, fitting: [one.clone(), other.clone()] })
        }
        (None, _) if names.is_empty() => Err(SampleError::ClassesUnnamed { called, n_classes }),
        (None, _) => Err(SampleError::ClassUnknown { called, known: names.to_vec() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_go_by_number_or_name() {
        let names = ["Food & Drink".to_string(), "Flags".to_string()];
        let number = |called| number_of(called, &names, 2);
        assert_eq!(["flags", "0", "food"].map(number), [Ok(1), Ok(0), Ok(0)]);
        assert!(number("f").unwrap_err().to_string().contains("may be Food & Drink or Flags"));
        assert_eq!(number("2"), Err(SampleError::NoSuchClass { number: 2, n_classes: 2 }));
        assert!(number("Cars").unwrap_err().to_string().contains("Food & Drink, Flags"));
        assert_eq!(number(""), Err(SampleError::ClassUnknown { called: "".into(), known: names.to_vec() }));
        let unnamed = number_of("Cars", &[], 2);
        assert_eq!(unnamed, Err(SampleError::ClassesUnnamed { called: "Cars".into(), n_classes: 2 }));
    }
}
