//! From typed functions to canonical IR.
//!
//! Contract: every source local is a `var`; expressions are values computed in the order of the
//! source; aggregates live in memory and are built where they go; `&&`, `||` and `?:` are regions
//! unless the arm that may not run can neither fault nor have effects. Functions are lowered when
//! something calls them. Contraction was decided before ([`crate::sema`]).

mod aggregate;
mod expr;
mod function;
mod place;
mod stmt;
mod tail;

use rustc_hash::FxHashMap;

use crate::diagnostic::{Diagnostic, Range, Span, codes::sema as codes};
use crate::ir::{self, Builder, FuncId, Module, Type, TypeKind};
use crate::sema::hir::{FnId, GlobalId, Value};
use crate::sema::types::{ClassId, Kind, Qt, Scalar, Space, Ty};
use crate::sema::{GlobalKind, Res, Sema};

/// Threadgroup memory that the variables of one kernel may take together.
const MAX_THREADGROUP_BYTES: u64 = 32 * 1024;
/// Private memory of one function.
const MAX_PRIVATE_BYTES: u64 = 256 * 1024;

/// What lowering shares between functions.
struct Shared<'s, 'a> {
    sema: &'s mut Sema<'a>,
    structs: FxHashMap<ClassId, Type>,
    types: FxHashMap<Ty, Type>,
    functions: FxHashMap<FnId, FuncId>,
    globals: FxHashMap<GlobalId, ir::GlobalId>,
    queue: Vec<FnId>,
    /// Who calls whom, and where.
    calls: Vec<(FnId, FnId, Span)>,
}

/// Lowers the kernels that were found. `None` if something could not be lowered, which is
/// reported.
pub fn lower(sema: &mut Sema<'_>) -> Option<Module> {
    let mut module = Module::default();
    let mut shared = Shared {
        sema,
        structs: FxHashMap::default(),
        types: FxHashMap::default(),
        functions: FxHashMap::default(),
        globals: FxHashMap::default(),
        queue: Vec::new(),
        calls: Vec::new(),
    };
    let mut failed = false;
    let mut roots = Vec::new();
    for kernel in 0..shared.sema.kernels.len() {
        failed |= shared.kernel(&mut module, kernel).is_err();
        roots.push(shared.sema.kernels[kernel].function);
    }
    while let Some(id) = shared.queue.pop() {
        failed |= shared.function(&mut module, id).is_err();
    }
    failed |= shared.check_recursion(&roots).is_err();
    failed |= shared.check_sizes(&module).is_err();
    (!failed).then_some(module)
}

impl Shared<'_, '_> {
    fn error<T>(
        &mut self,
        code: crate::diagnostic::Code,
        at: impl Into<Range>,
        message: impl Into<String>,
    ) -> Res<T> {
        self.sema.session.report(Diagnostic::error(code, at, message));
        Err(crate::sema::Reported)
    }

    /// The IR type of values and memory of a type.
    fn ty(&mut self, module: &mut Module, ty: Ty) -> Type {
        if let Some(&known) = self.types.get(&ty) {
            return known;
        }
        let kind = self.sema.types.kind(ty).clone();
        let result = match kind {
            Kind::Scalar(scalar) | Kind::Atomic(scalar) => Type::scalar(scalar),
            Kind::Enum(_) => Type::scalar(self.sema.types.as_scalar(ty).unwrap_or(Scalar::I32)),
            Kind::Vector(scalar, n) => module.types.vector(scalar, n),
            Kind::Packed(scalar, n) => module.types.packed(scalar, n),
            Kind::Matrix(scalar, c, r) => module.types.matrix(scalar, c, r),
            Kind::SimdMatrix(scalar) => module.types.simd_matrix(scalar),
            Kind::Array(element, length) => {
                let element = self.ty(module, element.ty);
                module.types.array(element, length.unwrap_or(0))
            }
            Kind::Pointer(to) | Kind::Ref(to, _) => self.pointer_to(module, to),
            Kind::Nullptr => module.types.pointer(ir::Space::Thread, Type::VOID),
            Kind::Class(class) => return self.class(module, class),
            Kind::Error
            | Kind::Void
            | Kind::Untyped
            | Kind::Auto
            | Kind::Function(..)
            | Kind::Opaque(_) => Type::VOID,
        };
        self.types.insert(ty, result);
        result
    }

    fn pointer_to(&mut self, module: &mut Module, to: Qt) -> Type {
        let space = space(self.space(to));
        let pointee = self.ty(module, to.ty);
        module.types.pointer(space, pointee)
    }

    /// The space of an object; arrays keep theirs with their elements.
    fn space(&self, qt: Qt) -> Space {
        match *self.sema.types.kind(qt.ty) {
            Kind::Array(element, _) if qt.space == Space::Thread => self.space(element),
            _ => qt.space,
        }
    }

    fn class(&mut self, module: &mut Module, class: ClassId) -> Type {
        if let Some(&known) = self.structs.get(&class) {
            return known;
        }
        let name = self.sema.types.class_names[class.0 as usize].clone();
        let layout = self.sema.types.layouts[class.0 as usize];
        let (size, align) = layout.map_or((1, 1), |layout| (layout.size, layout.align));
        let is_union = self.sema.classes[class.0 as usize].is_union;
        let empty = ir::Struct { name, fields: Vec::new(), size, align, is_union };
        let ty = module.types.add_struct(empty.clone());
        self.structs.insert(class, ty);
        let fields = self.sema.classes[class.0 as usize].fields.clone();
        let fields = fields
            .into_iter()
            .map(|field| ir::Field {
                name: field.name,
                ty: self.ty(module, field.ty.ty),
                offset: field.offset,
            })
            .collect();
        if let TypeKind::Struct(id) = module.types.kind(ty) {
            module.types.define_struct(id, ir::Struct { fields, ..empty });
        }
        ty
    }

    /// The IR function of an instance, lowered later.
    fn callee(&mut self, module: &mut Module, id: FnId) -> FuncId {
        if let Some(&known) = self.functions.get(&id) {
            return known;
        }
        let placeholder = ir::Function::new(&self.sema.fns[id.0 as usize].name, None);
        let func = module.add_function(placeholder);
        self.functions.insert(id, func);
        self.queue.push(id);
        func
    }

    /// The IR global of a variable.
    fn global(&mut self, module: &mut Module, id: GlobalId) -> Res<ir::GlobalId> {
        if let Some(&known) = self.globals.get(&id) {
            return Ok(known);
        }
        let global = &self.sema.globals[id.0 as usize];
        let (name, ty, kind, at) = (global.name.clone(), global.ty, global.kind, global.span);
        let ir_ty = self.ty(module, ty.ty);
        let (global_space, bytes) = match kind {
            GlobalKind::Threadgroup => (ir::Space::Threadgroup, Vec::new()),
            GlobalKind::Constant | GlobalKind::FunctionConstant(_) => {
                let value = self.sema.global_value(id)?;
                let size = self.sema.types.layout(ty.ty).map_or(0, |layout| layout.size);
                if size > 1 << 28 {
                    return self.error(codes::TOO_LARGE, at, "this constant is too large");
                }
                let mut bytes = vec![0; size as usize];
                self.write(&value, ty, &mut bytes, at)?;
                (ir::Space::Constant, bytes)
            }
        };
        let span = ir::Span(at.index());
        let global = ir::Global { name, space: global_space, ty: ir_ty, bytes, span };
        let number = module.add_global(global);
        self.globals.insert(id, number);
        Ok(number)
    }

    /// Writes a constant's bytes.
    fn write(&mut self, value: &Value, ty: Qt, bytes: &mut [u8], at: Span) -> Res<()> {
        let kind = self.sema.types.kind(ty.ty).clone();
        match (value, kind) {
            (Value::Parts(parts), Kind::Vector(scalar, _) | Kind::Packed(scalar, _)) => {
                let size = scalar.size() as usize;
                for (n, part) in parts.iter().enumerate() {
                    if let Value::Bits(bits) = part {
                        bytes[n * size..(n + 1) * size]
                            .copy_from_slice(&bits.to_le_bytes()[..size]);
                    }
                }
                Ok(())
            }
            (Value::Parts(parts), Kind::Matrix(scalar, _, rows)) => {
                let column = Qt::plain(self.sema.types.vector(scalar, rows));
                self.write_parts(parts, column, bytes, at)
            }
            (Value::Parts(parts), Kind::Array(element, _)) => {
                self.write_parts(parts, element, bytes, at)
            }
            (Value::Parts(parts), Kind::Class(class)) => {
                let fields = self.sema.classes[class.0 as usize].fields.clone();
                for (part, field) in parts.iter().zip(fields) {
                    let size = self.sema.types.layout(field.ty.ty).map_or(0, |l| l.size);
                    let start = field.offset as usize;
                    let end = start + size as usize;
                    if let Some(bytes) = bytes.get_mut(start..end) {
                        self.write(part, field.ty, bytes, at)?;
                    }
                }
                Ok(())
            }
            (Value::Bits(bits), _) => {
                let size = bytes.len().min(8);
                bytes[..size].copy_from_slice(&bits.to_le_bytes()[..size]);
                Ok(())
            }
            (Value::Pointer(pointer), _) if pointer.root.is_none() => Ok(()),
            (Value::Parts(_), _) => Ok(()),
            (Value::Pointer(_) | Value::Function(_), _) => self.error(
                codes::UNSUPPORTED,
                at,
                "addresses in program-scope constants are not supported",
            ),
        }
    }

    fn write_parts(&mut self, parts: &[Value], ty: Qt, bytes: &mut [u8], at: Span) -> Res<()> {
        let size = self.sema.types.layout(ty.ty).map_or(1, |layout| layout.size) as usize;
        for (part, bytes) in parts.iter().zip(bytes.chunks_mut(size.max(1))) {
            self.write(part, ty, bytes, at)?;
        }
        Ok(())
    }

    /// Reports a call cycle.
    fn check_recursion(&mut self, roots: &[FnId]) -> Res<()> {
        let mut next: FxHashMap<FnId, Vec<(FnId, Span)>> = FxHashMap::default();
        for &(from, to, at) in &self.calls {
            next.entry(from).or_default().push((to, at));
        }
        let mut done: Vec<FnId> = Vec::new();
        for &root in roots {
            // Depth first with an explicit stack: the path is what is open on it.
            let mut path: Vec<(FnId, usize)> = vec![(root, 0)];
            while let Some(&mut (at, ref mut edge)) = path.last_mut() {
                let Some(&(to, span)) = next.get(&at).and_then(|edges| edges.get(*edge)) else {
                    done.push(at);
                    path.pop();
                    continue;
                };
                *edge += 1;
                if let Some(start) = path.iter().position(|(on_path, _)| *on_path == to) {
                    let names: Vec<String> = path[start..]
                        .iter()
                        .map(|(id, _)| *id)
                        .chain([to])
                        .map(|id| format!("`{}`", self.sema.fns[id.0 as usize].name))
                        .collect();
                    let message = format!("a function calls itself: {}", names.join(" calls "));
                    return self.error(codes::RECURSION, span, message);
                }
                if !done.contains(&to) {
                    path.push((to, 0));
                }
            }
        }
        Ok(())
    }

    fn check_sizes(&mut self, module: &Module) -> Res<()> {
        let threadgroup: u64 = module
            .globals
            .iter()
            .filter(|global| global.space == ir::Space::Threadgroup)
            .map(|global| module.types.size(global.ty))
            .fold(0, u64::saturating_add);
        // Several kernels share a module; each is checked again when it is launched.
        if module.kernels.len() == 1 && threadgroup > MAX_THREADGROUP_BYTES {
            let at = self.sema.fns[self.sema.kernels[0].function.0 as usize].span;
            let message = format!(
                "the kernel's threadgroup variables take {threadgroup} bytes of at most \
                 {MAX_THREADGROUP_BYTES}"
            );
            return self.error(codes::TOO_LARGE, at, message);
        }
        for function in &module.functions {
            let size = function
                .locals
                .iter()
                .map(|local| module.types.size(local.ty))
                .fold(0, u64::saturating_add);
            if size > MAX_PRIVATE_BYTES {
                let message = format!(
                    "the locals of `{}` take {size} bytes of at most {MAX_PRIVATE_BYTES}",
                    function.name
                );
                return self.error(codes::TOO_LARGE, Range::default(), message);
            }
        }
        Ok(())
    }
}

/// The IR's address space.
fn space(space: Space) -> ir::Space {
    match space {
        Space::Thread => ir::Space::Thread,
        Space::Device => ir::Space::Device,
        Space::Constant => ir::Space::Constant,
        Space::Threadgroup => ir::Space::Threadgroup,
    }
}

/// Lowers one function.
struct Lower<'l, 's, 'a, 'm> {
    shared: &'l mut Shared<'s, 'a>,
    b: Builder<'m>,
    id: FnId,
    body: std::rc::Rc<crate::sema::hir::Body>,
    /// The address of each local, once declared.
    locals: Vec<Option<ir::ValueId>>,
    /// Locals of `switch` cases, declared in front of it.
    hoisted: Vec<crate::sema::hir::LocalId>,
    /// Old values of updates in progress.
    old: Vec<ir::ValueId>,
    /// Where `break` and `continue` go, innermost last.
    breaks: Vec<ir::RegionId>,
    continues: Vec<ir::RegionId>,
    /// Where a returned aggregate goes.
    result: Option<ir::ValueId>,
}
