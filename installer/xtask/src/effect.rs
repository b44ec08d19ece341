//! Kdenlive's description of the effect: what its panel shows.
//!
//! Without one, Kdenlive makes a panel from what MLT tells: it shows no text parameters, and stores a choice as its
//! number, where MLT (7.42) wants the label, so that no choice reaches the plugin. Words come from
//! `resources/labels.json`; `cargo xtask shot` compares names and defaults with what the plugin declares.

use anyhow::{Context, Result};
use serde_json::Value;
use std::fmt::Write as _;

use crate::shell;

/// The effect, as MLT names it.
pub const ID: &str = "openfx.studio.pickup.fill";
/// The description's file name: below `Contents/Resources/kdenlive` in the bundle, and where a user puts it.
pub const FILE: &str = "pickup.xml";

/// What the panel offers for a parameter.
enum Control {
    /// Lines of text.
    Text,
    /// A picture's path.
    Picture,
    /// One of the options that the labels name.
    Choice { default: &'static str },
    /// A number: default, least and most, decimal places.
    Number(f64, f64, f64, u8),
}

/// An hour of frames at 25 per second, and more than MLT offers by itself (240).
const LAST_FRAME: f64 = 100_000.0;

/// The parameters in the panel's order. Those are missing that mean nothing here: buttons, which MLT does not press, and
/// what needs them (`take`, `seedMode`, `status`).
const PARAMETERS: [(&str, Control); 22] = {
    use Control::{Choice, Number, Picture, Text};
    [
        ("prompt", Text),
        ("job", Choice { default: "Auto" }),
        ("spanStart", Number(0.0, 0.0, LAST_FRAME, 0)),
        ("spanEnd", Number(0.0, 0.0, LAST_FRAME, 0)),
        ("onRender", Choice { default: "Use take" }),
        ("quality", Choice { default: "Final" }),
        ("seed", Number(0.0, 0.0, 9999.0, 0)),
        ("contextFrames", Number(9.0, 1.0, 64.0, 0)),
        ("guidance", Number(0.0, 0.0, 30.0, 1)),
        ("steps", Number(0.0, 0.0, 200.0, 0)),
        ("reference1", Picture),
        ("reference2", Picture),
        ("reference3", Picture),
        ("pictureScale", Number(75.0, 5.0, 400.0, 1)),
        ("pictureX", Number(0.0, -100.0, 100.0, 1)),
        ("pictureY", Number(0.0, -100.0, 100.0, 1)),
        ("regionLeft", Number(35.0, 0.0, 100.0, 1)),
        ("regionTop", Number(35.0, 0.0, 100.0, 1)),
        ("regionWidth", Number(30.0, 0.0, 100.0, 1)),
        ("regionHeight", Number(30.0, 0.0, 100.0, 1)),
        ("negativePrompt", Text),
        ("model", Text),
    ]
};

/// The description, as Kdenlive reads it.
///
/// # Errors
/// If the labels lack a parameter's words.
pub fn describe() -> Result<String> {
    let file = shell::root().join("resources/labels.json");
    let labels: Value = serde_json::from_slice(&std::fs::read(&file)?)?;
    let name = word(&labels, "pickup", "label")?;
    let hint = word(&labels, "pickup", "hint")?;
    let mut text = format!(
        "<?xml version=\"1.0\"?>\n<!DOCTYPE kpartgui>\n<effect tag=\"{ID}\" id=\"{ID}\">\n <name>{name}</name>\n \
         <description>{hint}</description>\n <author>{name}</author>\n"
    );
    for (id, control) in &PARAMETERS {
        let (label, hint) = (word(&labels, id, "label")?, word(&labels, id, "hint")?);
        let kind = match control {
            Control::Text => "type=\"keywords\" default=\"\"".to_owned(),
            Control::Picture => "type=\"url\" default=\"\"".to_owned(),
            Control::Choice { default } => {
                format!(
                    "type=\"list\" default=\"{default}\" paramlist=\"{}\"",
                    options(&labels, id)?.join(";")
                )
            }
            Control::Number(default, least, most, places) => {
                format!(
                    "type=\"constant\" default=\"{default}\" min=\"{least}\" max=\"{most}\" decimals=\"{places}\""
                )
            }
        };
        writeln!(text, " <parameter name=\"{id}\" {kind}>\n  <name>{label}</name>")?;
        if matches!(control, Control::Choice { .. }) {
            writeln!(text, "  <paramlistdisplay>{}</paramlistdisplay>", options(&labels, id)?.join(","))?;
        }
        writeln!(text, "  <comment>{hint}</comment>\n </parameter>")?;
    }
    Ok(text + "</effect>\n")
}

/// What the description says otherwise than the plugin, by MLT's metadata of it (`melt -query filter=…`).
pub fn differences(metadata: &str) -> Vec<String> {
    let declared = |id: &str| {
        let rest = metadata.split_once(&format!("- identifier: {id}\n"))?.1;
        Some(rest.split("- identifier: ").next().unwrap_or(rest).to_owned())
    };
    let differs = |id: &str, control: &Control| {
        let declared = match declared(id) {
            Some(declared) => declared,
            None => return Some(format!("{id} is no parameter of the plugin")),
        };
        let default = match control {
            Control::Text | Control::Picture => return None,
            Control::Choice { default } => (*default).to_owned(),
            Control::Number(default, ..) => default.to_string(),
        };
        let said = declared.lines().find_map(|line| line.trim().strip_prefix("default: "))?;
        (said != default).then(|| format!("{id}: the default is {said}, not {default}"))
    };
    PARAMETERS.iter().filter_map(|(id, control)| differs(id, control)).collect()
}

fn word(labels: &Value, id: &str, which: &str) -> Result<String> {
    let text = labels[id][which].as_str();
    let text = text.with_context(|| format!("resources/labels.json has no {which} for {id}"))?;
    Ok(text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;"))
}

fn options<'a>(labels: &'a Value, id: &str) -> Result<Vec<&'a str>> {
    let options = labels[id]["options"].as_array();
    let options = options.with_context(|| format!("resources/labels.json has no options for {id}"))?;
    Ok(options.iter().filter_map(Value::as_str).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_are_their_labels_and_texts_are_shown() {
        let text = describe().unwrap();
        assert!(text.contains("paramlist=\"Use take;Generate if missing\""), "{text}");
        assert!(text.contains("<paramlistdisplay>Use take,Generate if missing</paramlistdisplay>"));
        assert!(text.contains("<parameter name=\"prompt\" type=\"keywords\""));
        assert_eq!(text.matches("<parameter ").count(), PARAMETERS.len());
        assert!(!text.contains(",Use take"), "an option with a comma would be two");
    }

    #[test]
    fn another_default_and_an_unknown_parameter_are_told() {
        let one = |id: &str, default: &str| {
            format!("  - identifier: {id}\n    title: x\n    default: {default}\n    values:\n      - y\n")
        };
        let all: String = PARAMETERS
            .iter()
            .map(|(id, control)| match control {
                Control::Text | Control::Picture => format!("  - identifier: {id}\n    title: x\n"),
                Control::Choice { default } => one(id, default),
                Control::Number(default, ..) => one(id, &default.to_string()),
            })
            .collect();
        assert_eq!(differences(&all), Vec::<String>::new());
        let other = all.replace("default: Use take", "default: Generate if missing");
        assert_eq!(differences(&other), ["onRender: the default is Generate if missing, not Use take"]);
        let fewer = all.replace("identifier: seed\n", "identifier: noise\n");
        assert_eq!(differences(&fewer), ["seed is no parameter of the plugin"]);
    }
}
