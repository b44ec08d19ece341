//! What users read on the parameter page, in the status line and on slates, from `resources/labels.json`.

use serde::Deserialize;
use std::collections::HashMap;
use std::fmt::Display;
use std::sync::LazyLock;

use crate::hosts::Quirks;

/// The words of one parameter, page, group, plugin, status line or slate.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Words {
    /// The name; of a slate, why there is no picture; of a status line, the line, with `{names}` of what stands in it.
    pub label: String,
    /// What it is for; of a slate, what to do next.
    #[serde(default)]
    pub hint: String,
    /// A text parameter's value before the first job.
    #[serde(default)]
    default: String,
    /// What stands for the value before the first job, or for what to do next, where the host has no buttons.
    #[serde(default)]
    without_buttons: String,
    /// A choice's options, in order.
    #[serde(default)]
    options: Vec<String>,
}

static TEXTS: LazyLock<HashMap<String, Words>> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../../resources/labels.json")).unwrap_or_default()
});
static NONE: LazyLock<Words> = LazyLock::new(Words::default);

/// The words of an id. That each has its words is tested, so none is ever empty.
#[must_use]
pub fn words(id: &str) -> &'static Words {
    TEXTS.get(id).unwrap_or(&NONE)
}

impl Words {
    /// `usual`, or what stands for it in a host without buttons.
    fn by_host<'a>(&'a self, usual: &'a str) -> &'a str {
        let pressed = self.without_buttons.is_empty() || Quirks::current().buttons;
        if pressed { usual } else { &self.without_buttons }
    }

    /// What to do next, in the current host.
    #[must_use]
    pub fn next(&self) -> &str {
        self.by_host(&self.hint)
    }

    /// The value before the first job, in the current host.
    #[must_use]
    pub fn first(&self) -> &str {
        self.by_host(&self.default)
    }
}

/// A choice's options.
#[must_use]
pub fn options(id: &str) -> Vec<&'static str> {
    words(id).options.iter().map(String::as_str).collect()
}

/// The line of an id, with what its `{names}` stand for put in.
#[must_use]
pub fn line(id: &str, values: &[(&str, &dyn Display)]) -> String {
    let text = words(id).label.clone();
    values.iter().fold(text, |text, (name, value)| text.replace(&format!("{{{name}}}"), &value.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::TABLE;
    use crate::role::Role;
    use crate::span::JobChoice;
    use crate::{slate, status};
    use pickup_ofx::ParamKind;
    use std::collections::BTreeSet;

    #[test]
    fn every_parameter_has_its_words_and_no_words_are_left_over() {
        let mut used: BTreeSet<&str> = TABLE.iter().map(|entry| entry.definition.id).collect();
        used.extend([Role::Fill, Role::Generate].map(Role::text_id));
        used.extend(slate::IDS);
        used.extend(status::IDS);
        assert_eq!(used, TEXTS.keys().map(String::as_str).collect());
        for entry in TABLE.iter() {
            let words = words(entry.definition.id);
            let page = matches!(entry.definition.kind, ParamKind::Page { .. });
            assert!(!words.label.is_empty() && (page || words.hint.len() > 8), "{}", entry.definition.id);
            let choice = matches!(entry.definition.kind, ParamKind::Choice { .. });
            assert_eq!(words.options.is_empty(), !choice, "{}", entry.definition.id);
        }
        assert_eq!(options("job").len(), JobChoice::ALL.len());
        for id in slate::IDS {
            assert!(words(id).label.len() > 8 && words(id).hint.len() > 8, "{id}");
        }
        // Whatever tells somebody to press Generate says what else there is to do.
        for (id, words) in TEXTS.iter().filter(|(id, _)| id.starts_with("slate") || **id == "status") {
            assert!(words.without_buttons.contains("Generate if missing"), "{id}");
        }
    }

    #[test]
    fn names_in_a_line_are_replaced_by_what_they_stand_for() {
        assert_eq!(line("statusPlace", &[("number", &2), ("count", &3)]), " (2 of 3)");
        assert_eq!(line("statusPlace", &[("number", &2)]), " (2 of {count})");
        assert_eq!(line("nothing", &[]), "");
    }
}
