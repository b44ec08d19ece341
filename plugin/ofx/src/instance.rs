//! What a plugin keeps for each instance.
//!
//! The instance's data lives here, in a table, and the host keeps only its number (as
//! `kOfxPropInstanceData`). A number that a host garbles finds nothing, where an address would be followed.

use crate::effect::Effect;
use crate::keys;
use crate::property::Address;
use parking_lot::Mutex;
use std::any::Any;
use std::collections::HashMap;
use std::sync::Arc;

type Data = Arc<dyn Any + Send + Sync>;

static REGISTRY: Mutex<Option<Registry>> = Mutex::new(None);

#[derive(Default)]
struct Registry {
    last: usize,
    entries: HashMap<usize, Entry>,
}

struct Entry {
    plugin: &'static str,
    /// The address of the host's instance; only compared.
    effect: usize,
    data: Data,
}

impl Registry {
    fn insert(&mut self, plugin: &'static str, effect: usize, data: Data) -> usize {
        // A host that forgets DestroyInstance may give the same address to a later instance.
        self.entries.retain(|_, entry| entry.effect != effect || entry.plugin != plugin);
        self.last += 1;
        self.entries.insert(self.last, Entry { plugin, effect, data });
        self.last
    }

    /// By the number that the host keeps, else by the instance's address.
    fn key(&self, plugin: &str, number: usize, effect: usize) -> Option<usize> {
        let ours = |entry: &&Entry| entry.plugin == plugin;
        if self.entries.get(&number).filter(ours).is_some() {
            return Some(number);
        }
        self.entries.iter().find(|(_, entry)| ours(entry) && entry.effect == effect).map(|(key, _)| *key)
    }
}

/// Keeps the data of a new instance.
pub(crate) fn keep(plugin: &'static str, effect: Effect<'_>, data: Data) {
    let number = REGISTRY.lock().get_or_insert_default().insert(plugin, effect.raw() as usize, data);
    // Found by its address if the host will not keep the number.
    if let Ok(set) = effect.properties() {
        let _ = set.set(&keys::INSTANCE_DATA, Address::from_number(number));
    }
}

/// The data of an instance.
pub(crate) fn find<T: Any + Send + Sync>(plugin: &str, effect: Effect<'_>) -> Option<Arc<T>> {
    let number = number(effect);
    let registry = REGISTRY.lock();
    let registry = registry.as_ref()?;
    let key = registry.key(plugin, number, effect.raw() as usize)?;
    registry.entries.get(&key)?.data.clone().downcast().ok()
}

/// Takes the data of an instance out.
pub(crate) fn remove(plugin: &str, effect: Effect<'_>) -> Option<Data> {
    let number = number(effect);
    let entry = {
        let mut registry = REGISTRY.lock();
        let registry = registry.as_mut()?;
        let key = registry.key(plugin, number, effect.raw() as usize)?;
        registry.entries.remove(&key)
    };
    if let Ok(set) = effect.properties() {
        let _ = set.set(&keys::INSTANCE_DATA, Address::from_number(0));
    }
    entry.map(|entry| entry.data)
}

/// Takes the data of all of a plugin's instances out: some hosts unload without destroying.
pub(crate) fn remove_all(plugin: &str) -> Vec<Data> {
    let mut registry = REGISTRY.lock();
    let Some(registry) = registry.as_mut() else { return Vec::new() };
    let keys: Vec<usize> =
        registry.entries.iter().filter(|(_, entry)| entry.plugin == plugin).map(|(key, _)| *key).collect();
    keys.iter().filter_map(|key| registry.entries.remove(key)).map(|entry| entry.data).collect()
}

fn number(effect: Effect<'_>) -> usize {
    effect.properties().and_then(|set| set.get(&keys::INSTANCE_DATA)).map_or(0, Address::number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn found_by_number_else_by_address_and_never_across_plugins() {
        let mut registry = Registry::default();
        let first = registry.insert("a", 0x100, Arc::new(1));
        let second = registry.insert("a", 0x200, Arc::new(2));
        let other = registry.insert("b", 0x300, Arc::new(3));
        assert_eq!(registry.key("a", first, 0x200), Some(first), "the number comes first");
        assert_eq!(registry.key("a", 0xdead, 0x200), Some(second), "a garbled number is no harm");
        assert_eq!(registry.key("a", other, 0x999), None);
        assert_eq!(registry.key("a", 0, 0x300), None);
    }

    #[test]
    fn an_address_used_again_replaces_what_was_never_destroyed() {
        let mut registry = Registry::default();
        let first = registry.insert("a", 0x100, Arc::new(1));
        let again = registry.insert("a", 0x100, Arc::new(2));
        assert_eq!(registry.entries.len(), 1);
        assert_eq!(registry.key("a", first, 0x100), Some(again));
    }
}
