//! A small chart writer: curves over a logarithmic axis, as SVG.

use std::fmt::Write as _;

/// Where there are more curves than colors, the second round is dashed.
const DASHES: [&str; 3] = ["none", "6 4", "2 3"];

/// Colors that people with any kind of color vision tell apart (Okabe and Ito 2008).
const COLORS: [&str; 7] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"];
const PANEL_WIDTH: f64 = 420.0;
const PANEL_HEIGHT: f64 = 320.0;
const LEFT: f64 = 70.0;
const TOP: f64 = 40.0;
const GAP: f64 = 80.0;

/// Points with a name.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Curve {
    /// What the legend calls it.
    pub(super) name: String,
    /// x and y of each point; x is positive.
    pub(super) points: Vec<[f64; 2]>,
}

/// Curves over one x, which is drawn logarithmically.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Panel {
    /// What x is.
    pub(super) x_label: String,
    /// The curves; those of one name have one color in all panels.
    pub(super) curves: Vec<Curve>,
}

/// Draws panels side by side, over one y from zero up, with a dashed line at `floor`.
pub(super) fn svg(title: &str, y_label: &str, panels: &[Panel], floor: Option<(f64, &str)>) -> String {
    let names: Vec<&str> =
        panels.first().map_or_else(Vec::new, |panel| panel.curves.iter().map(|c| c.name.as_str()).collect());
    let legend = 22.0 * names.len() as f64;
    let width = LEFT + panels.len() as f64 * (PANEL_WIDTH + GAP);
    let height = TOP + PANEL_HEIGHT + 60.0 + legend;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"sans-serif\" font-size=\"13\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    let _ = writeln!(svg, "<text x=\"{LEFT}\" y=\"22\" font-size=\"15\">{}</text>", escaped(title));
    let highest = panels
        .iter()
        .flat_map(|panel| &panel.curves)
        .flat_map(|curve| &curve.points)
        .map(|point| point[1])
        .chain(floor.map(|(y, _)| y))
        .fold(0.0, f64::max);
    let step = nice_step(highest.max(1e-9) / 5.0);
    let top = (highest / step).ceil().max(1.0) * step;
    for (number, panel) in panels.iter().enumerate() {
        let frame = Frame::new(number, panel, top);
        frame.draw(&mut svg, panel, y_label, step, floor);
    }
    for (number, name) in names.iter().enumerate() {
        let y = TOP + PANEL_HEIGHT + 60.0 + 22.0 * number as f64;
        let (color, _, fill) = style(number);
        let _ = writeln!(
            svg,
            "<circle cx=\"{LEFT}\" cy=\"{}\" r=\"5\" fill=\"{fill}\" stroke=\"{color}\" stroke-width=\"2\"/>",
            y - 4.0
        );
        let _ = writeln!(svg, "<text x=\"{}\" y=\"{y}\">{}</text>", LEFT + 14.0, escaped(name));
    }
    svg.push_str("</svg>\n");
    svg
}

/// Where one panel's numbers lie on the page.
struct Frame {
    left: f64,
    low: f64,
    high: f64,
    top: f64,
}

impl Frame {
    fn new(number: usize, panel: &Panel, top: f64) -> Self {
        let xs = panel.curves.iter().flat_map(|curve| &curve.points).map(|point| point[0]);
        let (low, high) = xs.fold((f64::INFINITY, 0.0f64), |(low, high), x| (low.min(x), high.max(x)));
        let (low, high) = if low.is_finite() { (low / 1.3, high * 1.3) } else { (1.0, 10.0) };
        Self { left: LEFT + number as f64 * (PANEL_WIDTH + GAP), low, high, top }
    }

    fn x(&self, x: f64) -> f64 {
        self.left + PANEL_WIDTH * (x / self.low).ln() / (self.high / self.low).ln()
    }

    fn y(&self, y: f64) -> f64 {
        TOP + PANEL_HEIGHT * (1.0 - y / self.top)
    }

    fn draw(&self, svg: &mut String, panel: &Panel, y_label: &str, step: f64, floor: Option<(f64, &str)>) {
        let (left, right, bottom) = (self.left, self.left + PANEL_WIDTH, TOP + PANEL_HEIGHT);
        let n_steps = (self.top / step).round() as usize;
        for tick in 0..=n_steps {
            let (value, y) = (tick as f64 * step, self.y(tick as f64 * step));
            let _ = writeln!(svg, "<path d=\"M{left} {y:.1}H{right}\" stroke=\"#dddddd\"/>");
            let _ = writeln!(
                svg,
                "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                left - 8.0,
                y + 4.0,
                plain(value)
            );
        }
        for value in log_ticks(self.low, self.high) {
            let x = self.x(value);
            let _ = writeln!(svg, "<path d=\"M{x:.1} {TOP}V{bottom}\" stroke=\"#eeeeee\"/>");
            let _ = writeln!(
                svg,
                "<text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
                bottom + 18.0,
                plain(value)
            );
        }
        let _ =
            writeln!(svg, "<path d=\"M{left} {TOP}V{bottom}H{right}\" stroke=\"#333333\" fill=\"none\"/>");
        let middle = (left + right) / 2.0;
        let _ = writeln!(
            svg,
            "<text x=\"{middle}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
            bottom + 36.0,
            escaped(&panel.x_label)
        );
        let (x, y) = (left - 52.0, (TOP + bottom) / 2.0);
        let _ = writeln!(
            svg,
            "<text x=\"{x}\" y=\"{y}\" text-anchor=\"middle\" transform=\"rotate(-90 {x} {y})\">{}</text>",
            escaped(y_label)
        );
        if let Some((value, name)) = floor {
            let y = self.y(value);
            let _ = writeln!(
                svg,
                "<path d=\"M{left} {y:.1}H{right}\" stroke=\"#777777\" stroke-dasharray=\"5 4\"/>\n\
                 <text x=\"{right}\" y=\"{:.1}\" text-anchor=\"end\" fill=\"#555555\" font-size=\"11\">{}</text>",
                y - 5.0,
                escaped(name)
            );
        }
        for (number, curve) in panel.curves.iter().enumerate() {
            let (color, dash, fill) = style(number);
            let at: Vec<String> =
                curve.points.iter().map(|&[x, y]| format!("{:.1} {:.1}", self.x(x), self.y(y))).collect();
            let _ = writeln!(
                svg,
                "<path d=\"M{}\" stroke=\"{color}\" stroke-width=\"2\" stroke-dasharray=\"{dash}\" fill=\"none\"/>",
                at.join("L")
            );
            for [x, y] in &curve.points {
                let _ = writeln!(
                    svg,
                    "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"4\" fill=\"{fill}\" stroke=\"{color}\" stroke-width=\"2\"><title>{}: {} at {}</title></circle>",
                    self.x(*x),
                    self.y(*y),
                    escaped(&curve.name),
                    plain(*y),
                    plain(*x)
                );
            }
        }
    }
}

/// Line color, dashes and fill of the dots of a curve.
fn style(number: usize) -> (&'static str, &'static str, &'static str) {
    let (round, color) = (number / COLORS.len(), COLORS[number % COLORS.len()]);
    (color, DASHES[round % DASHES.len()], if round == 0 { color } else { "white" })
}

/// 1, 2 or 5 times a power of ten, not below `step`.
fn nice_step(step: f64) -> f64 {
    let power = 10f64.powf(step.log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|factor| factor * power)
        .find(|&nice| nice >= step * 0.999)
        .unwrap_or(step)
}

/// 1, 2 and 5 times powers of ten within a range.
fn log_ticks(low: f64, high: f64) -> Vec<f64> {
    let decades = low.log10().floor() as i32..=high.log10().ceil() as i32;
    let ticks = decades.flat_map(|decade| [1.0, 2.0, 5.0].map(|factor| factor * 10f64.powi(decade)));
    ticks.filter(|tick| (low..=high).contains(tick)).collect()
}

/// A number without digits that say nothing.
fn plain(value: f64) -> String {
    let digits = if value == 0.0 { 0 } else { (2 - value.abs().log10().floor() as i32).clamp(0, 9) as usize };
    let text = format!("{value:.digits$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').into() } else { text }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chart_has_every_point_and_escapes_names() {
        let curve = Curve { name: "a<b & c".into(), points: vec![[1.0, 30.0], [4.0, 12.5]] };
        let panel = Panel { x_label: "evaluations".into(), curves: vec![curve] };
        let svg = svg("title", "FD", &[panel.clone(), panel], Some((2.0, "floor")));
        assert_eq!(svg.matches("<title>").count(), 4);
        assert!(svg.contains("a&lt;b &amp; c: 12.5 at 4") && !svg.contains("a<b"));
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n") && !svg.contains("NaN"));
    }

    #[test]
    fn ticks_are_round() {
        assert_eq!(log_ticks(0.9, 40.0), [1.0, 2.0, 5.0, 10.0, 20.0]);
        assert_eq!([nice_step(0.13), nice_step(3.0), nice_step(10.0)], [0.2, 5.0, 10.0]);
        assert_eq!([plain(0.0), plain(0.05), plain(35.0), plain(1234.56)], ["0", "0.05", "35", "1235"]);
    }
}
