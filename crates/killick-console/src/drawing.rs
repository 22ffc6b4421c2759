//! The way from the model to the effect, drawn: boxes from left to right.

use maud::{Markup, html};

use crate::pages::{shown, shown_to};

const WIDTH: usize = 176;
const GAP: usize = 44;
const HEIGHT: usize = 66;
const ROW_GAP: usize = 34;
/// Boxes of one row: what a common screen shows without scrolling.
const ROW: usize = 5;
/// What the console's style sheet says of the boxes, for a drawing that stands alone.
const STYLE: &str = "svg{background:#fff;font:14px system-ui,sans-serif}rect{fill:#f6f8fa;stroke:#8c959f}\
.node-permit rect{fill:#dafbe1;stroke:#1a7f37}.node-deny rect{fill:#ffebe9;stroke:#cf222e}\
.node-observe rect{fill:#fff8c5;stroke:#9a6700}.node-quiet rect{stroke-dasharray:4 4}\
.role,.note{fill:#59636e;font-size:11.5px}path{fill:none;stroke:#8c959f}path.head{fill:#8c959f;stroke:none}\
path.cut{stroke:#cf222e;stroke-dasharray:3 5}";

/// A box of the drawing.
#[derive(Clone, Debug)]
pub struct Node {
    /// What it stands for, e.g. `agent`.
    pub role: &'static str,
    /// The line that is read first.
    pub label: String,
    /// A line beneath it.
    pub note: String,
    /// `node-permit`, `node-deny`, `node-observe`, `node-quiet`, or nothing.
    pub class: &'static str,
    /// Whether the way to the next box is cut.
    pub cut: bool,
}

impl Node {
    /// A box whose way on is open.
    pub fn new(role: &'static str, label: &str, note: &str, class: &'static str) -> Self {
        Self { role, label: label.to_owned(), note: note.to_owned(), class, cut: false }
    }
}

/// The boxes in rows, each row from left to right, an elbow from the end of one to the beginning of the next.
pub(crate) fn drawing(nodes: &[Node]) -> Markup {
    styled(nodes, None)
}

/// The drawing as a file of its own: an SVG with its style.
pub fn svg(nodes: &[Node]) -> String {
    styled(nodes, Some(STYLE)).into_string()
}

fn styled(nodes: &[Node], style: Option<&str>) -> Markup {
    let rows = nodes.len().div_ceil(ROW);
    let width = nodes.len().min(ROW) * (WIDTH + GAP) - GAP + 4;
    let height = rows * (HEIGHT + ROW_GAP) - ROW_GAP + 4;
    html! {
        svg xmlns="http://www.w3.org/2000/svg" role="img" width=(width) height=(height) viewBox={ "0 0 " (width) " " (height) }
            aria-label="from whom the call came, what was decided and what came of it" {
            @if let Some(style) = style { style { (maud::PreEscaped(style)) } }
            @for (position, node) in nodes.iter().enumerate() {
                @let x = 2 + (position % ROW) * (WIDTH + GAP);
                @let y = 2 + (position / ROW) * (HEIGHT + ROW_GAP);
                g class=(node.class) {
                    title { (node.role) ": " (shown(&node.label)) " " (shown(&node.note)) }
                    rect x=(x) y=(y) width=(WIDTH) height=(HEIGHT) rx="9" {}
                    text.role x=(x + 12) y=(y + 18) { (node.role) }
                    text x=(x + 12) y=(y + 37) { (shown_to(&node.label, 20)) }
                    text.note x=(x + 12) y=(y + 54) { (shown_to(&node.note, 22)) }
                }
                @if position + 1 < nodes.len() {
                    @let (line, head) = arrow(x, y, position % ROW + 1 == ROW);
                    path class=(if node.cut { "cut" } else { "" }) d=(line) {}
                    @if !node.cut { path.head d=(head) {} }
                }
            }
        }
    }
}

/// The line from a box at (`x`, `y`) to the next one, and its head.
fn arrow(x: usize, y: usize, ends_row: bool) -> (String, String) {
    if ends_row {
        let (from, to, middle) = (x + WIDTH / 2, 2 + WIDTH / 2, y + HEIGHT + ROW_GAP / 2);
        let end = y + HEIGHT + ROW_GAP - 9;
        return (
            format!("M{from} {} V{middle} H{to} V{end}", y + HEIGHT + 3),
            format!("M{} {end} l5 9 l5 -9 z", to - 5),
        );
    }
    let (from, middle) = (x + WIDTH + 4, y + HEIGHT / 2);
    (
        format!("M{from} {middle} H{}", from + GAP - 14),
        format!("M{} {} l9 5 l-9 5 z", from + GAP - 15, middle - 5),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_number_of_boxes_stays_on_the_canvas() {
        for count in 1..=40 {
            let make = |_| Node::new("r", "l", "", "");
            let nodes: Vec<Node> = (0..count).map(make).collect();
            let svg = drawing(&nodes).into_string();
            assert_eq!(svg.matches("<rect").count(), count);
            assert_eq!(svg.matches("path class=\"head\"").count(), count - 1);
            let number = |name: &str| -> usize {
                svg.split(&format!(" {name}=\"")).nth(1).unwrap().split('"').next().unwrap().parse().unwrap()
            };
            let y_last =
                svg.rsplit(" y=\"").nth(3).unwrap().split('"').next().unwrap().parse::<usize>().unwrap();
            assert!(y_last + HEIGHT < number("height"), "{count}");
        }
    }
}
