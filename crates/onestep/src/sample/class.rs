//! Classes by what people call them.

use super::SampleError;

/// The number of a class, of `n_classes` with these names, that is called by its name, its number, or the beginning of its name.
///
/// A name as it is written comes first, so that of `cat`, `Cat` and `CAT` each can be had, and a class called `2` is had
/// by its name whatever its number. Numbers come next, then names in other capitals, then beginnings of names.
///
/// # Errors
///
/// - [`SampleError::NoSuchClass`] and [`SampleError::ClassUnknown`] for a number and a name that there are not,
///   [`SampleError::ClassesUnnamed`] where no class has a name.
/// - [`SampleError::ClassUnclear`] for what several names are in other capitals, or begin with.
pub fn class_number(called: &str, names: &[String], n_classes: usize) -> Result<usize, SampleError> {
    if let Some(exact) = names.iter().position(|name| name == called) {
        return Ok(exact);
    }
    if let Ok(number) = called.parse::<usize>() {
        return match number < n_classes {
            true => Ok(number),
            false => Err(SampleError::NoSuchClass { number, n_classes }),
        };
    }
    let small = called.to_lowercase();
    let is_same = |name: &str| name == small;
    let begins = |name: &str| !small.is_empty() && name.starts_with(&small);
    for fits in [&is_same as &dyn Fn(&str) -> bool, &begins] {
        let fitting: Vec<usize> =
            (0..names.len()).filter(|&class| fits(&names[class].to_lowercase())).collect();
        match fitting[..] {
            [] => {}
            [class] => return Ok(class),
            _ => {
                let fitting = fitting.into_iter().map(|class| names[class].clone()).collect();
                return Err(SampleError::ClassUnclear { called: called.to_owned(), fitting });
            }
        }
    }
    let called = called.to_owned();
    match names {
        [] => Err(SampleError::ClassesUnnamed { called, n_classes }),
        known => Err(SampleError::ClassUnknown { called, known: known.to_vec() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_go_by_number_or_name() {
        let names = ["Food & Drink".to_string(), "Flags".to_string()];
        let number = |called| class_number(called, &names, 2);
        assert_eq!(["flags", "0", "food"].map(number), [Ok(1), Ok(0), Ok(0)]);
        assert!(number("f").unwrap_err().to_string().contains("may be `Food & Drink` or `Flags`"));
        assert_eq!(number("2"), Err(SampleError::NoSuchClass { number: 2, n_classes: 2 }));
        assert!(number("Cars").unwrap_err().to_string().contains("`Food & Drink`, `Flags`"));
        assert_eq!(number(""), Err(SampleError::ClassUnknown { called: "".into(), known: names.to_vec() }));
        let unnamed = class_number("Cars", &[], 2);
        assert_eq!(unnamed, Err(SampleError::ClassesUnnamed { called: "Cars".into(), n_classes: 2 }));
    }

    #[test]
    fn a_name_as_it_is_written_comes_before_all_else() {
        let names = ["CAT", "Cat", "cat", "catfish", "Äpfel"].map(String::from);
        let number = |called| class_number(called, &names, 5);
        assert_eq!(["CAT", "Cat", "cat", "catf", "äpfel"].map(number), [Ok(0), Ok(1), Ok(2), Ok(3), Ok(4)]);
        let unclear = number("cAT").unwrap_err().to_string();
        assert!(unclear.contains("may be `CAT`, `Cat` or `cat`"), "{unclear}");
        // Class 0 is called 10, class 1 is called 2, class 2 is called 7.
        let names = ["10", "2", "7"].map(String::from);
        let number = |called| class_number(called, &names, 3);
        assert_eq!(["10", "2", "7", "0", "1"].map(number), [Ok(0), Ok(1), Ok(2), Ok(0), Ok(1)]);
        assert_eq!(number("3"), Err(SampleError::NoSuchClass { number: 3, n_classes: 3 }));
    }
}
