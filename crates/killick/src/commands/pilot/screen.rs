//! What a person sees while the pilot runs: on stderr, so that stdout stays free for the report; and the same text,
//! kept, as the recording.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// The pilot's screen.
pub struct Screen {
    bar: ProgressBar,
    text: String,
    started: Instant,
}

impl Screen {
    /// A screen; with a moving bar only where stderr is a terminal.
    pub fn new() -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("  {spinner} {msg} {wide_bar} {pos}/{len} {elapsed}")
        {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(120));
        Self { bar, text: String::new(), started: Instant::now() }
    }

    /// A numbered step begins.
    pub fn step(&mut self, number: usize, title: &str) {
        self.line("");
        self.line(&format!("{number}. {title}"));
    }

    /// One line of text. Control characters are shown, never obeyed: names and notes come from strangers.
    pub fn line(&mut self, text: &str) {
        let clean: String = text
            .chars()
            .map(|c| if c.is_control() { c.escape_default().to_string() } else { c.to_string() })
            .collect();
        self.text.push_str(&clean);
        self.text.push('\n');
        if self.bar.is_hidden() {
            use std::io::Write as _;
            // Nobody reads stderr any more: the pilot goes on, its report is what counts.
            let _ = writeln!(std::io::stderr(), "{clean}");
        } else {
            self.bar.println(clean);
        }
    }

    /// Something counted begins.
    pub fn begin(&self, what: &str, of: u64) {
        self.bar.reset();
        self.bar.set_length(of);
        self.bar.set_message(what.to_owned());
    }

    /// The bar, to be moved from elsewhere.
    pub fn bar(&self) -> ProgressBar {
        self.bar.clone()
    }

    /// Seconds since the pilot began.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Takes the bar away and gives the text so far.
    pub fn finish(self) -> String {
        self.bar.finish_and_clear();
        self.text
    }
}
