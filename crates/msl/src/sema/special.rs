//! Members of class templates defined for certain arguments: `template <> void S<int>::f() {}`.

use std::rc::Rc;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::sema::Sema;
use crate::sema::function::same_name;
use crate::sema::hir::FnId;
use crate::sema::lookup::Found;
use crate::sema::types::{ClassId, Qt};
use crate::syntax::symbol::Symbol;
use crate::syntax::tree::{FunctionBody, FunctionDecl, ItemKind, Path, SegmentName};

/// Definitions by the name of the class, in the order in which they stand.
pub(super) type Members = Rc<FxHashMap<Symbol, Vec<Arc<FunctionDecl>>>>;

impl Sema<'_> {
    /// The definition of a member function for the arguments of its class.
    pub(super) fn special_member(&mut self, id: FnId, class: ClassId) -> Option<Arc<FunctionDecl>> {
        let symbol = self.class(class).symbol?;
        self.class(class).template?;
        let members = match &self.special_members {
            Some(members) => members.clone(),
            None => {
                let members: Members = Rc::new(self.find_special_members());
                self.special_members = Some(members.clone());
                members
            }
        };
        let (decl, scope) = (self.func(id).decl.clone(), self.func(id).scope);
        let own: Vec<Qt> = self.func(id).sig.params.iter().map(|param| param.ty).collect();
        let outer = self.class(class).outer;
        let found = members.get(&symbol)?.iter().find(|other| {
            same_name(&decl.name.last().name, &other.name.last().name)
                && other.sig.params.len() == decl.sig.params.len()
                && other.sig.quals == decl.sig.quals
                && self.qualifier(outer, &other.name) == Some(class)
                && match self.attempt(|s| s.signature(other, scope)) {
                    Ok(sig) => sig.params.iter().map(|param| param.ty).eq(own.iter().copied()),
                    Err(_) => false,
                }
        });
        found.cloned()
    }

    /// The class before the last `::` of a name.
    fn qualifier(&mut self, scope: crate::sema::scope::ScopeId, name: &Path) -> Option<ClassId> {
        let mut class = name.clone();
        class.segments.pop();
        match self.attempt(|s| s.resolve(scope, &class)) {
            Ok(Some(Found::Type(ty))) => self.types.as_class(ty.ty),
            _ => None,
        }
    }

    fn find_special_members(&self) -> FxHashMap<Symbol, Vec<Arc<FunctionDecl>>> {
        let mut members: FxHashMap<Symbol, Vec<Arc<FunctionDecl>>> = FxHashMap::default();
        for frame in self.index.own_frames() {
            for item in &self.index.frame(frame).items {
                if let ItemKind::Function(function) = &item.kind
                    && matches!(function.body, FunctionBody::Lazy(_))
                    && function.heads.last().is_some_and(|head| head.params.is_empty())
                    && let [.., class, _] = &function.name.segments[..]
                    && class.args.is_some()
                    && let SegmentName::Ident(name) = class.name
                {
                    members.entry(name).or_default().push(function.clone());
                }
            }
        }
        members
    }
}
