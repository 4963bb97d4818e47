//! Interned names.
//!
//! A symbol is a 32-bit number; equal texts have equal numbers. The first numbers are the
//! keywords, in order, so that recognising one is a comparison. Interners stack like source maps.

use std::hash::Hasher;
use std::sync::Arc;

use super::keyword::Keyword;
use rustc_hash::FxHasher;

/// An interned name or literal spelling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Symbol(pub(crate) u32);

impl Symbol {
    /// The number itself, for side tables.
    pub fn index(self) -> u32 {
        self.0
    }
}

/// The table of names.
#[derive(Debug)]
pub struct Interner {
    below: Option<Arc<Interner>>,
    /// How many names `below` holds.
    first: u32,
    /// All texts of this layer, one after the other.
    texts: String,
    /// Where each ends.
    ends: Vec<u32>,
    /// Open-addressing hash table of numbers; its length is a power of two. [`FREE`] marks a free
    /// slot.
    slots: Vec<u32>,
}

const FREE: u32 = u32::MAX;

impl Default for Interner {
    fn default() -> Self {
        let mut names = Self::empty(None, 0);
        for keyword in Keyword::ALL {
            names.intern(keyword.text());
        }
        names
    }
}

impl Interner {
    /// An interner that continues `below`.
    pub fn on(below: Arc<Interner>) -> Self {
        let first = below.first + below.ends.len() as u32;
        Self::empty(Some(below), first)
    }

    fn empty(below: Option<Arc<Interner>>, first: u32) -> Self {
        let slots = vec![FREE; 1024];
        Self { below, first, texts: String::new(), ends: Vec::new(), slots }
    }

    /// The symbol of `text`, new or not.
    pub fn intern(&mut self, text: &str) -> Symbol {
        let hash = hash(text);
        if let Some(symbol) = self.find(text, hash) {
            return symbol;
        }
        if (self.ends.len() + 1) * 2 > self.slots.len() {
            self.grow();
        }
        let number = self.first + self.ends.len() as u32;
        self.texts.push_str(text);
        self.ends.push(self.texts.len() as u32);
        let slot = free_slot(&self.slots, hash);
        self.slots[slot] = number;
        Symbol(number)
    }

    /// The symbol of `text`, if it was interned.
    pub fn lookup(&self, text: &str) -> Option<Symbol> {
        self.find(text, hash(text))
    }

    /// The text of a symbol of this interner or one below it.
    pub fn text(&self, symbol: Symbol) -> &str {
        match &self.below {
            Some(below) if symbol.0 < self.first => below.text(symbol),
            _ => self.own_text(symbol.0 - self.first),
        }
    }

    fn own_text(&self, index: u32) -> &str {
        let index = index as usize;
        let start = index.checked_sub(1).map_or(0, |previous| self.ends[previous]) as usize;
        &self.texts[start..self.ends[index] as usize]
    }

    fn find(&self, text: &str, hash: u64) -> Option<Symbol> {
        if let Some(symbol) = self.below.as_ref().and_then(|below| below.find(text, hash)) {
            return Some(symbol);
        }
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        while self.slots[at] != FREE {
            let number = self.slots[at];
            if self.own_text(number - self.first) == text {
                return Some(Symbol(number));
            }
            at = (at + 1) & mask;
        }
        None
    }

    fn grow(&mut self) {
        let mut slots = vec![FREE; self.slots.len() * 2];
        for index in 0..self.ends.len() as u32 {
            let slot = free_slot(&slots, hash(self.own_text(index)));
            slots[slot] = self.first + index;
        }
        self.slots = slots;
    }
}

/// The first free slot on the probe path of `hash`. There always is one: tables are half empty.
fn free_slot(slots: &[u32], hash: u64) -> usize {
    let mask = slots.len() - 1;
    let mut at = hash as usize & mask;
    while slots[at] != FREE {
        at = (at + 1) & mask;
    }
    at
}

fn hash(text: &str) -> u64 {
    let mut hasher = FxHasher::default();
    hasher.write(text.as_bytes());
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_share_symbols() {
        let mut below = Interner::default();
        let known = below.intern("known");
        let mut names = Interner::on(Arc::new(below));
        assert_eq!(names.intern("known"), known);
        let symbols: Vec<_> = (0..5000).map(|i| names.intern(&format!("name{i}"))).collect();
        for (i, &symbol) in symbols.iter().enumerate() {
            assert_eq!(names.text(symbol), format!("name{i}"));
            assert_eq!(names.lookup(&format!("name{i}")), Some(symbol));
        }
        assert_eq!(names.text(known), "known");
        assert_eq!(names.lookup("unknown"), None);
    }
}
