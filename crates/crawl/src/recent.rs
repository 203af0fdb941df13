//! The addresses that were seen lately, so that the store is not asked for each link.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

use crate::address::Address;

/// Places for addresses. An address has one place, which it takes from whatever was there.
const PLACES: usize = 1 << 17;

/// A bounded table of addresses that the store or the present batch has. What it does not find may be there all the
/// same.
pub(crate) struct Recent {
    places: Vec<Option<Address>>,
    hasher: RandomState,
}

impl Recent {
    pub(crate) fn new() -> Recent {
        Recent {
            places: vec![None; PLACES],
            hasher: RandomState::new(),
        }
    }

    /// Forgets all addresses.
    pub(crate) fn clear(&mut self) {
        self.places.fill(None);
    }

    /// Returns whether an address was not found, and remembers it.
    pub(crate) fn is_new(&mut self, address: &Address) -> bool {
        let place = self.hasher.hash_one(address.as_str()) as usize % PLACES;
        match &mut self.places[place] {
            Some(there) if there == address => false,
            other => {
                *other = Some(address.clone());
                true
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_seen_lately_is_not_new() {
        let mut recent = Recent::new();
        let address = |number: usize| Address::parse(&format!("http://h/{number}")).unwrap();
        assert!(recent.is_new(&address(1)));
        assert!(!recent.is_new(&address(1)));
        // What has lost its place is new again, and nothing else is.
        let fresh = (0..PLACES * 2)
            .filter(|at| recent.is_new(&address(*at)))
            .count();
        assert_eq!(fresh, PLACES * 2 - 1);
    }
}
