//! Content addresses.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

use crate::Error;

macro_rules! content_id {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name([u8; 32]);

        impl $name {
            /// The BLAKE3 hash of `bytes`.
            pub fn of(bytes: &[u8]) -> Self {
                Self(*blake3::hash(bytes).as_bytes())
            }

            /// From a hash made in pieces.
            pub const fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// The first 8 hexadecimal digits, for people to read.
            pub fn short(&self) -> String {
                self.to_string()[..8].to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.short())
            }
        }

        impl FromStr for $name {
            type Err = Error;

            /// Accepts exactly 64 lower-case hexadecimal digits, so that an id is also a safe file name.
            fn from_str(text: &str) -> Result<Self, Error> {
                let bad = || {
                    Error::input(format!(concat!("expected a ", $what, " id of 64 hexadecimal digits, got {:?}."), text))
                };
                if text.len() != 64 || !text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
                    return Err(bad());
                }
                blake3::Hash::from_hex(text).map(|hash| Self(*hash.as_bytes())).map_err(|_| bad())
            }
        }

        impl TryFrom<String> for $name {
            type Error = Error;
            fn try_from(text: String) -> Result<Self, Error> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.to_string()
            }
        }
    };
}

content_id!(
    /// Names a plate (a known frame or a reference image) in the store by its content.
    PlateId,
    "plate"
);
content_id!(
    /// Names a take by the settled request that made it.
    TakeId,
    "take"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips_and_refuses_anything_that_is_not_a_hash() {
        let id = TakeId::of(b"a request");
        assert_eq!(id.to_string().parse::<TakeId>().unwrap(), id);
        for bad in ["", "../../etc", &"G".repeat(64), &"A".repeat(64), &"0".repeat(63)] {
            assert!(bad.parse::<TakeId>().is_err(), "{bad:?} must be refused");
        }
    }
}
