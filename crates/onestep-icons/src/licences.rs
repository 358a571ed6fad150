//! The licences of what a set is made of.

use std::fmt::Write;

use crate::Style;

/// The text that has to go with pictures of these styles: whose they are, what was done to them, and the licences. It goes into a file
/// `LICENSES.txt` beside them.
pub fn licences(styles: &[Style]) -> String {
    let styles = || Style::ALL.into_iter().filter(|style| styles.contains(style));
    let mut text = String::from("These pictures are made of drawings by others:\n");
    for style in styles() {
        let [name, package] = [style.name().to_owned(), style.package().full_name()];
        let [copyright, source, licence] = [style.copyright(), style.source(), style.licence()];
        let _ = write!(
            text,
            "\n{name}\n    {copyright}\n    {source}\n    {licence}; taken from the npm package {package}\n"
        );
    }
    text.push_str(
        "\nChanges: drawn in few pixels and laid on white; duplicates left out, and variants by skin tone unless they were asked \
         for.\nemoji.json says of each picture what it is and whose.\n",
    );
    if styles().any(|style| style.licence() == "CC-BY-4.0") {
        text.push_str(
            "\nCC-BY-4.0 is the Creative Commons Attribution 4.0 International license:\n\
             https://creativecommons.org/licenses/by/4.0/legalcode\n",
        );
    }
    if let Some(style) = styles().find(|style| style.licence() == "MIT") {
        let _ = write!(text, "\n{RULE}\nMIT License\n\n{}\n\n{MIT}", style.copyright());
    }
    if styles().any(|style| style.licence() == "Apache-2.0") {
        let _ = write!(text, "\n{RULE}\n{APACHE}");
    }
    text
}

const RULE: &str = "----------------------------------------------------------------------";

const APACHE: &str = include_str!("../LICENSE-APACHE");

/// The license without the line that says whose it is.
const MIT: &str = "\
Permission is hereby granted, free of charge, to any person obtaining a copy
of this software and associated documentation files (the \"Software\"), to deal
in the Software without restriction, including without limitation the rights
to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all
copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED \"AS IS\", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE
SOFTWARE.
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_licences_of_what_is_there_are_named() {
        let text = licences(&[Style::Noto]);
        assert!(
            text.contains("Copyright Google LLC") && text.contains("END OF TERMS AND CONDITIONS"),
            "{text}"
        );
        assert!(!text.contains("Microsoft") && !text.contains("Permission is hereby granted"), "{text}");
        let text = licences(&Style::ALL);
        for part in [
            "Mozilla",
            "Microsoft",
            "legalcode",
            "Permission is hereby granted",
            "@iconify-json/noto-v1@1.2.5",
        ] {
            assert!(text.contains(part), "{part}");
        }
    }
}
