//! What each scope declares: enough for the parser to tell types and templates from values, and
//! the place where semantic analysis looks names up.
//!
//! An index is built while declarations are parsed and frozen afterwards. One that continues
//! another adds frames of its own and never changes the other's: a namespace that is reopened
//! gets a new frame that extends the old one.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::syntax::symbol::Symbol;
use crate::syntax::tree::Item;

/// Number of a frame in its index and every index above it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FrameId(pub u32);

impl FrameId {
    /// No frame: what is declared inside a function body.
    pub const NONE: FrameId = FrameId(u32::MAX);
}

/// What sort of thing a name stands for, as far as parsing cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameKind {
    /// A namespace.
    Namespace,
    /// A type.
    Type,
    /// A class or alias template: `X<...>` is a type.
    TypeTemplate,
    /// A function or variable template: `X<...>` is a value.
    Template,
    /// A variable, function or enumerator.
    Value,
}

/// One declaration of a name.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// What sort.
    pub kind: NameKind,
    /// The declaration among the items of the frame.
    pub item: Option<u32>,
    /// The frame of a namespace or class.
    pub inner: Option<FrameId>,
}

/// What a frame is the scope of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameKind {
    /// A namespace, the global one included.
    Namespace,
    /// A class's members.
    Class,
    /// Template parameters.
    Template,
    /// A function's parameters, or a lambda's enclosing block.
    Function,
}

/// A scope.
#[derive(Debug)]
pub struct Frame {
    /// Of what.
    pub kind: FrameKind,
    /// Its name, for namespaces and classes.
    pub name: Option<Symbol>,
    /// The scope around it.
    pub parent: Option<FrameId>,
    /// The frame of the same namespace below.
    pub extends: Option<FrameId>,
    /// Declarations by name.
    pub names: FxHashMap<Symbol, Vec<Entry>>,
    /// Declarations in order. A class's frame has only the members defined outside the class.
    pub items: Vec<Item>,
    /// Namespaces whose names are visible here, and base classes.
    pub usings: Vec<FrameId>,
}

/// All frames.
#[derive(Debug)]
pub struct Index {
    below: Option<Arc<Index>>,
    first: u32,
    frames: Vec<Frame>,
    /// Names that are found where nothing else declares them.
    pub last_resort: FxHashMap<Symbol, NameKind>,
}

impl Index {
    /// The global namespace of the lowest index.
    pub const ROOT: FrameId = FrameId(0);

    /// An index with a global namespace.
    pub fn new() -> Self {
        let mut index =
            Self { below: None, first: 0, frames: Vec::new(), last_resort: FxHashMap::default() };
        index.add(FrameKind::Namespace, None, None);
        index
    }

    /// An index that continues `below`.
    pub fn on(below: Arc<Index>) -> Self {
        let first = below.first + below.frames.len() as u32;
        let root = below.root();
        let mut index = Self {
            below: Some(below),
            first,
            frames: Vec::new(),
            last_resort: FxHashMap::default(),
        };
        let id = index.add(FrameKind::Namespace, None, None);
        index.frame_mut(id).extends = Some(root);
        index
    }

    /// The topmost frame of the global namespace.
    pub fn root(&self) -> FrameId {
        FrameId(self.first)
    }

    /// The frame with that number.
    pub fn frame(&self, id: FrameId) -> &Frame {
        match &self.below {
            Some(below) if id.0 < self.first => below.frame(id),
            _ => &self.frames[(id.0 - self.first) as usize],
        }
    }

    /// A frame of this index itself.
    pub fn frame_mut(&mut self, id: FrameId) -> &mut Frame {
        &mut self.frames[(id.0 - self.first) as usize]
    }

    /// Whether a frame belongs to this index rather than one below.
    pub fn owns(&self, id: FrameId) -> bool {
        id.0 >= self.first
    }

    /// The index in which a frame was made.
    pub fn owner(self: &Arc<Self>, id: FrameId) -> Arc<Index> {
        match &self.below {
            Some(below) if id.0 < self.first => below.owner(id),
            _ => self.clone(),
        }
    }

    /// The frames of this index itself, in order.
    pub fn own_frames(&self) -> Vec<FrameId> {
        (self.first..self.first + self.frames.len() as u32).map(FrameId).collect()
    }

    /// Every name declared in a frame and in what it extends and uses, sorted.
    pub fn visible(&self, frame: FrameId) -> Vec<Symbol> {
        let mut names = Vec::new();
        let mut visited = vec![frame];
        let mut next = 0;
        while let Some(&id) = visited.get(next) {
            next += 1;
            let frame = self.frame(id);
            names.extend(frame.names.keys().copied());
            for other in frame.usings.iter().copied().chain(frame.extends) {
                if !visited.contains(&other) {
                    visited.push(other);
                }
            }
        }
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Adds a frame.
    pub fn add(
        &mut self,
        kind: FrameKind,
        name: Option<Symbol>,
        parent: Option<FrameId>,
    ) -> FrameId {
        self.frames.push(Frame {
            kind,
            name,
            parent,
            extends: None,
            names: FxHashMap::default(),
            items: Vec::new(),
            usings: Vec::new(),
        });
        FrameId(self.first + self.frames.len() as u32 - 1)
    }

    /// Declares a name.
    pub fn declare(&mut self, frame: FrameId, name: Symbol, entry: Entry) {
        self.frame_mut(frame).names.entry(name).or_default().push(entry);
    }

    /// The namespace `name` inside `parent`, opened for additions.
    pub fn open_namespace(&mut self, parent: FrameId, name: Symbol) -> FrameId {
        let existing = self.members(parent, name).iter().find_map(|(_, entry)| {
            (entry.kind == NameKind::Namespace).then_some(entry.inner).flatten()
        });
        match existing {
            Some(id) if self.owns(id) => id,
            _ => {
                let id = self.add(FrameKind::Namespace, Some(name), Some(parent));
                self.frame_mut(id).extends = existing;
                let entry = Entry { kind: NameKind::Namespace, item: None, inner: Some(id) };
                // The newest frame comes first, because it reaches the others.
                self.frame_mut(parent).names.entry(name).or_default().insert(0, entry);
                id
            }
        }
    }

    /// Declarations of `name` in a frame, in what it extends and in what it uses.
    pub fn members(&self, frame: FrameId, name: Symbol) -> Vec<(FrameId, Entry)> {
        let mut found = Vec::new();
        self.collect(frame, name, &mut found, &mut Vec::new());
        found
    }

    fn collect(
        &self,
        frame: FrameId,
        name: Symbol,
        found: &mut Vec<(FrameId, Entry)>,
        visited: &mut Vec<FrameId>,
    ) {
        // What the namespace declares itself comes first.
        let mut chain = Vec::new();
        let mut at = Some(frame);
        while let Some(id) = at {
            if visited.contains(&id) {
                break;
            }
            visited.push(id);
            chain.push(id);
            let frame = self.frame(id);
            if let Some(entries) = frame.names.get(&name) {
                found.extend(entries.iter().map(|entry| (id, *entry)));
            }
            at = frame.extends;
        }
        for id in chain {
            for &used in &self.frame(id).usings {
                self.collect(used, name, found, visited);
            }
        }
    }

    /// Whether a frame, what it extends or what it uses satisfies a condition.
    pub fn reaches(&self, frame: FrameId, wanted: &dyn Fn(FrameId) -> bool) -> bool {
        let mut visited = vec![frame];
        let mut next = 0;
        while let Some(&id) = visited.get(next) {
            next += 1;
            if wanted(id) {
                return true;
            }
            let frame = self.frame(id);
            for other in frame.usings.iter().copied().chain(frame.extends) {
                if !visited.contains(&other) {
                    visited.push(other);
                }
            }
        }
        false
    }

    /// The kind of `name` in a frame itself.
    pub fn member_kind(&self, frame: FrameId, name: Symbol) -> Option<(NameKind, Option<FrameId>)> {
        let found = self.members(frame, name);
        let first = found.first()?.1;
        // Of functions and function templates of one name, the template decides how `<` reads.
        let kind = match first.kind {
            NameKind::Value if found.iter().any(|(_, e)| e.kind == NameKind::Template) => {
                NameKind::Template
            }
            kind => kind,
        };
        Some((kind, found.iter().find_map(|(_, entry)| entry.inner)))
    }

    /// The kind of `name` in a frame or around it.
    pub fn kind(&self, frame: FrameId, name: Symbol) -> Option<(NameKind, Option<FrameId>)> {
        let mut at = Some(frame);
        while let Some(id) = at {
            if let Some(found) = self.member_kind(id, name) {
                return Some(found);
            }
            at = self.frame(id).parent;
        }
        None
    }
}

impl Default for Index {
    fn default() -> Self {
        Self::new()
    }
}
