//! The identifiers that an expression mentions.

use crate::syntax::symbol::Symbol;
use crate::syntax::tree::{self, ExprKind as Tree, Path, SegmentName};

/// The identifiers in an expression.
pub(super) fn names_of(e: &tree::Expr) -> Vec<Symbol> {
    let mut names = Vec::new();
    collect(e, &mut names);
    names
}

fn collect(e: &tree::Expr, names: &mut Vec<Symbol>) {
    let path = |path: &Path, names: &mut Vec<_>| {
        for segment in &path.segments {
            if let SegmentName::Ident(name) = segment.name {
                names.push(name);
            }
            for arg in segment.args.iter().flatten() {
                collect_arg(arg, names);
            }
        }
    };
    match &e.kind {
        Tree::Path(p) => path(p, names),
        Tree::Paren(e)
        | Tree::Unary(_, e)
        | Tree::SizeofExpr(e)
        | Tree::Noexcept(e)
        | Tree::Designated(_, e) => collect(e, names),
        Tree::Binary(_, a, b) | Tree::Assign(_, a, b) | Tree::Comma(a, b) | Tree::Index(a, b) => {
            collect(a, names);
            collect(b, names);
        }
        Tree::Cond(a, b, c) => {
            collect(a, names);
            collect(b, names);
            collect(c, names);
        }
        Tree::Call(f, args) => {
            collect(f, names);
            args.iter().for_each(|arg| collect(arg, names));
        }
        Tree::Member { base, path: p, .. } => {
            collect(base, names);
            for arg in p.last().args.iter().flatten() {
                collect_arg(arg, names);
            }
        }
        Tree::Cast(_, ty, e) | Tree::AsType(ty, e) => {
            collect_type(ty, names);
            collect(e, names);
        }
        Tree::Construct(ty, args) | Tree::BraceConstruct(ty, args) => {
            collect_type(ty, names);
            args.iter().for_each(|arg| collect(arg, names));
        }
        Tree::InitList(args) => args.iter().for_each(|arg| collect(arg, names)),
        Tree::SizeofType(ty) | Tree::Alignof(ty) => collect_type(ty, names),
        Tree::Lambda(lambda) => names.extend(lambda.idents.iter().copied()),
        Tree::Expansion(_, idents) | Tree::Fold { idents, .. } => {
            names.extend(idents.iter().copied());
        }
        Tree::Int(..)
        | Tree::Float(..)
        | Tree::Bool(_)
        | Tree::Char(_)
        | Tree::Str(_)
        | Tree::Nullptr
        | Tree::This
        | Tree::SizeofPack(_)
        | Tree::Error => {}
    }
}

fn collect_arg(arg: &tree::TemplateArg, names: &mut Vec<Symbol>) {
    match arg {
        tree::TemplateArg::Type(ty) => collect_type(ty, names),
        tree::TemplateArg::Value(e) => collect(e, names),
        tree::TemplateArg::Expansion(_, idents) => names.extend(idents.iter().copied()),
    }
}

fn collect_type(ty: &tree::TypeName, names: &mut Vec<Symbol>) {
    match &ty.spec.ty {
        tree::TypeSpec::Path(path) => {
            for segment in &path.segments {
                if let SegmentName::Ident(name) = segment.name {
                    names.push(name);
                }
                for arg in segment.args.iter().flatten() {
                    collect_arg(arg, names);
                }
            }
        }
        tree::TypeSpec::Decltype(Some(e)) => collect(e, names),
        _ => {}
    }
    for chunk in &ty.chunks {
        if let tree::Chunk::Array(Some(size)) = chunk {
            collect(size, names);
        }
    }
}
