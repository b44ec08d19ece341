//! Handles that plugins hold: numbers, never addresses, so that a bad one can do no harm.

use std::collections::BTreeMap;

/// A handle as given to the plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Handle(usize);

impl Handle {
    /// The handle as the pointer that C code sees. It points to nothing.
    #[must_use]
    pub fn as_ptr<T>(self) -> *mut T {
        std::ptr::without_provenance_mut(self.0)
    }

    /// The handle that C code gave, which may be any number.
    #[must_use]
    pub fn from_ptr<T>(pointer: *const T) -> Self {
        Self(pointer.addr())
    }

    /// The number, for properties of pointer type.
    #[must_use]
    pub const fn number(self) -> usize {
        self.0
    }
}

/// What a handle stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// A property set.
    PropertySet,
    /// An effect descriptor or instance.
    Effect,
    /// A parameter set.
    ParameterSet,
    /// A parameter.
    Parameter,
    /// A clip.
    Clip,
    /// A fetched image, which is a property set too.
    Image,
    /// A mutex.
    Mutex,
    /// Image memory.
    ImageMemory,
}

impl Sort {
    const fn words(self) -> &'static str {
        match self {
            Self::PropertySet => "property set",
            Self::Effect => "effect",
            Self::ParameterSet => "parameter set",
            Self::Parameter => "parameter",
            Self::Clip => "clip",
            Self::Image => "image",
            Self::Mutex => "mutex",
            Self::ImageMemory => "image memory",
        }
    }
}

/// All handles ever given out in a run; none is given out twice.
#[derive(Debug)]
pub struct Handles {
    next: usize,
    sorts: BTreeMap<Handle, (Sort, bool)>,
}

impl Default for Handles {
    fn default() -> Self {
        Self { next: FIRST_HANDLE, sorts: BTreeMap::new() }
    }
}

/// Above small integers and below any mapped address of a usual process.
const FIRST_HANDLE: usize = 0x4F58_0000;
/// Keeps handles apart, so that an off-by-one is not another live handle.
const HANDLE_STEP: usize = 16;

impl Handles {
    /// A new live handle.
    pub fn give(&mut self, sort: Sort) -> Handle {
        let handle = Handle(self.next);
        self.next += HANDLE_STEP;
        self.sorts.insert(handle, (sort, true));
        handle
    }

    /// Marks a handle as dead.
    pub fn retire(&mut self, handle: Handle) {
        if let Some((_, live)) = self.sorts.get_mut(&handle) {
            *live = false;
        }
    }

    /// Whether the handle was given out for this sort and has died.
    #[must_use]
    pub fn is_dead(&self, handle: Handle, sort: Sort) -> bool {
        self.sorts.get(&handle) == Some(&(sort, false))
    }

    /// What a handle is, in words for a report.
    #[must_use]
    pub fn describe(&self, handle: Handle) -> String {
        match self.sorts.get(&handle) {
            _ if handle.0 == 0 => "a null handle".to_owned(),
            None => "a handle that was never given out".to_owned(),
            Some((sort, true)) => format!("a live {} handle", sort.words()),
            Some((sort, false)) => format!("a dead {} handle", sort.words()),
        }
    }
}
