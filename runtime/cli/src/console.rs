//! What is printed where.

use pickup_core::Error;
use serde::Serialize;
use serde_json::json;
use std::cell::Cell;
use std::io::Write;

/// stdout for the result, stderr for the rest.
#[derive(Debug)]
pub(crate) struct Console {
    /// Whether the result is one JSON object.
    json: bool,
    /// Whether there was one: some commands have a result and an error.
    printed: Cell<bool>,
}

impl Console {
    /// A console that prints objects for machines, or text for people.
    pub(crate) fn new(json: bool) -> Self {
        Self { json, printed: Cell::new(false) }
    }

    /// The result: `object` for machines, or `text` for people.
    pub(crate) fn result(&self, object: &impl Serialize, text: impl FnOnce() -> String) {
        let text = if self.json { to_json(object) } else { text() };
        self.printed.set(true);
        // A reader that has left (`| head`) is no fault.
        let _ = writeln!(std::io::stdout().lock(), "{}", text.trim_end());
    }

    /// What is wrong and what to do: two lines on stderr, and an object on stdout where one is
    /// expected and there was none.
    pub(crate) fn fail(&self, error: &Error) {
        note(&format!("error: {}", error.message));
        if !error.hint.is_empty() {
            note(&error.hint);
        }
        if self.json && !self.printed.get() {
            let object = json!({ "error": error, "exit_code": error.kind.exit_code() });
            let _ = writeln!(std::io::stdout().lock(), "{}", to_json(&object));
        }
    }
}

/// A line on stderr.
pub(crate) fn note(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

fn to_json(object: &impl Serialize) -> String {
    serde_json::to_string_pretty(object)
        .unwrap_or_else(|error| json!({ "error": error.to_string() }).to_string())
}

/// Bytes for people to read, in decimal units.
pub(crate) fn bytes(count: u64) -> String {
    let count = count as f64;
    match count {
        ..1e6 => format!("{:.0} kB", (count / 1e3).ceil()),
        ..1e9 => format!("{:.1} MB", count / 1e6),
        _ => format!("{:.1} GB", count / 1e9),
    }
}

/// Columns, each as wide as its widest cell.
pub(crate) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let cells = |column: usize| rows.iter().filter_map(move |row| row.get(column));
    let widths: Vec<_> = (0..columns)
        .map(|column| cells(column).map(|cell| cell.chars().count()).max().unwrap_or(0))
        .collect();
    let line = |row: &Vec<String>| {
        let padded: Vec<_> =
            row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:<width$}")).collect();
        padded.join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_align_and_bytes_are_readable() {
        let rows = [vec!["a".into(), "b".into()], vec!["länger".into(), "x".into()]];
        assert_eq!(table(&rows), "a       b\nlänger  x");
        assert_eq!([bytes(1), bytes(2_500_000), bytes(9_100_000_000)], ["1 kB", "2.5 MB", "9.1 GB"]);
    }
}
