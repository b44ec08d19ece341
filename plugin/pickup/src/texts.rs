//! What users read on the parameter page, from `resources/labels.json`.

use serde::Deserialize;
use std::collections::HashMap;
use std::sync::LazyLock;

/// The words of one parameter, page, group or plugin.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Words {
    /// The name.
    pub label: String,
    /// What it is for.
    #[serde(default)]
    pub hint: String,
    /// A text parameter's value before the first job.
    #[serde(default)]
    pub default: String,
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

/// A choice's options.
#[must_use]
pub fn options(id: &str) -> Vec<&'static str> {
    words(id).options.iter().map(String::as_str).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::TABLE;
    use crate::role::Role;
    use crate::span::JobChoice;
    use pickup_ofx::ParamKind;
    use std::collections::BTreeSet;

    #[test]
    fn every_parameter_has_its_words_and_no_words_are_left_over() {
        let mut used: BTreeSet<&str> = TABLE.iter().map(|entry| entry.definition.id).collect();
        used.extend([Role::Fill, Role::Generate].map(Role::text_id));
        assert_eq!(used, TEXTS.keys().map(String::as_str).collect());
        for entry in TABLE.iter() {
            let words = words(entry.definition.id);
            let page = matches!(entry.definition.kind, ParamKind::Page { .. });
            assert!(!words.label.is_empty() && (page || words.hint.len() > 8), "{}", entry.definition.id);
            let choice = matches!(entry.definition.kind, ParamKind::Choice { .. });
            assert_eq!(words.options.is_empty(), !choice, "{}", entry.definition.id);
        }
        assert_eq!(options("job").len(), JobChoice::ALL.len());
    }
}
