//! The page: sections as HTML that needs nothing beside it.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use onestep::data::Pixels;
use onestep::data::picture::encode_png;
use onestep::{Result, TOOL};

use crate::section::{Art, Figure, Section, seconds};
use crate::stop::Stop;

/// How it looks: light and dark, narrow and wide, on paper.
const STYLE: &str = include_str!("page.css");

/// What can be typed after a tour.
pub const NEXT: [&str; 4] = [
    "onestep sample --seeds 0-63",
    "onestep new photos",
    "onestep train emoji-edm --out runs/emoji-edm",
    "onestep train emoji-cd --out runs/emoji-cd --teacher runs/emoji-edm",
];

/// What a tour has shown.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// Its parts, each of one stop.
    pub sections: Vec<(Stop, Section)>,
    /// How long the tour took.
    pub seconds: f64,
    /// Threads that it ran on.
    pub threads: usize,
    /// Arithmetic of the networks' products.
    pub precision: &'static str,
}

impl Page {
    /// The page as HTML: pictures, style and all are in it, and nothing is loaded from elsewhere.
    ///
    /// # Errors
    ///
    /// [`DataError`](onestep::data::DataError) for a picture that cannot be encoded.
    pub fn html(&self) -> Result<String> {
        let mut body = String::new();
        for (stop, section) in &self.sections {
            write_section(&mut body, *stop, section)?;
        }
        let contents: String = self
            .sections
            .iter()
            .map(|(_, section)| {
                format!("<li><a href=\"#{}\">{}</a></li>", anchor(&section.title), escaped(&section.title))
            })
            .collect();
        let next = escaped(&NEXT.join("\n"));
        let total = seconds(self.seconds);
        let threads = if self.threads == 1 { "1 thread".into() } else { format!("{} threads", self.threads) };
        let (processor, precision) = (escaped(&processor()), self.precision);
        Ok(format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"generator\" content=\"{TOOL}\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n\
             <title>A tour of consistency models</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<header>\n\
             <h1>A tour of consistency models</h1>\n\
             <p class=\"lead\">Everything on this page was drawn, edited, trained and measured on this machine, in {total}.</p>\n\
             <nav aria-label=\"Contents\"><ol>{contents}</ol></nav>\n</header>\n<main>\n{body}\
             <section id=\"next\">\n<h2>What to type next</h2>\n\
             <pre><code>{next}</code></pre>\n</section>\n</main>\n<footer>\n\
             <p>{TOOL} · {processor} · {threads} · {precision}</p>\n</footer>\n</body>\n</html>\n"
        ))
    }
}

fn write_section(body: &mut String, stop: Stop, section: &Section) -> Result<()> {
    let Section { title, paragraphs, figures } = section;
    let _ = writeln!(body, "<section id=\"{}\">\n<h2>{}</h2>", anchor(title), escaped(title));
    for paragraph in paragraphs.iter().filter(|paragraph| !paragraph.is_empty()) {
        let _ = writeln!(body, "<p>{}</p>", escaped(paragraph));
    }
    let _ = writeln!(body, "<div class=\"figures\">");
    for figure in figures {
        write_figure(body, figure)?;
    }
    let _ = writeln!(body, "</div>");
    let _ = writeln!(body, "<pre><code>{}</code></pre>", escaped(&stop.commands().join("\n")));
    let _ = writeln!(body, "</section>");
    Ok(())
}

fn write_figure(body: &mut String, Figure { art, title, caption }: &Figure) -> Result<()> {
    let (class, art) = match art {
        Art::Pixels(pixels) => ("pixels", image(pixels, "pixels", title, caption)?),
        Art::Smooth(pixels) => ("smooth", image(pixels, "smooth", title, caption)?),
        Art::Svg(svg) => (
            "chart",
            format!("<div class=\"svg\" role=\"img\" aria-label=\"{}\">{svg}</div>", escaped(title)),
        ),
    };
    let (title, caption) = (escaped(title), escaped(caption));
    let _ = writeln!(
        body,
        "<figure class=\"{class}\">\n<h3>{title}</h3>\n{art}\n<figcaption>{caption}</figcaption>\n</figure>"
    );
    Ok(())
}

fn image(pixels: &Pixels, class: &str, title: &str, caption: &str) -> Result<String> {
    let encoded = STANDARD.encode(encode_png(pixels, None)?);
    let shape = pixels.shape();
    Ok(format!(
        "<img class=\"{class}\" width=\"{}\" height=\"{}\" alt=\"{}: {}\" src=\"data:image/png;base64,{encoded}\">",
        shape.width,
        shape.height,
        escaped(title),
        escaped(caption)
    ))
}

/// What the system calls the processor; its architecture where it does not tell.
fn processor() -> String {
    let told = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = told.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    name.map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, name)| name.trim().to_owned())
}

/// A title as a place of the page.
fn anchor(title: &str) -> String {
    let plain = title.to_lowercase();
    plain
        .split(|letter: char| !letter.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join("-")
}

/// Text as HTML shows it.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use onestep::data::ImageShape;

    use super::*;

    fn page(title: &str) -> Page {
        let pixels = Pixels::new(ImageShape { height: 2, width: 2, channels: 3 }, vec![9; 12]).unwrap();
        let figure = Figure { art: Art::Pixels(pixels), title: "A & B".into(), caption: "\"x\"".into() };
        let section = Section {
            title: title.into(),
            paragraphs: vec!["1 < 2".into(), String::new()],
            figures: vec![figure],
        };
        Page { sections: vec![(Stop::OneStep, section)], seconds: 3.0, threads: 2, precision: "f32" }
    }

    #[test]
    fn what_is_said_is_text_and_never_markup() {
        let html = page("<b>bold</b>").html().unwrap();
        assert!(html.contains("<h2>&lt;b&gt;bold&lt;/b&gt;</h2>"));
        assert!(html.contains("<p>1 &lt; 2</p>") && html.contains("A &amp; B"));
        assert!(!html.contains("<p></p>"));
        assert!(html.contains("href=\"#b-bold-b\"") && html.contains("id=\"b-bold-b\""));
    }

    #[test]
    fn nothing_is_loaded_from_elsewhere() {
        let html = page("One").html().unwrap();
        for place in ["http://", "https://", "url(", "<script", "<link"] {
            assert!(!html.contains(place), "{place}");
        }
        assert!(html.contains("data:image/png;base64,"));
    }
}
