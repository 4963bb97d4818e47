//! The verifier. What it accepts never makes an executor panic. Its invariants:
//!
//! Module
//! 1. A struct's alignment is a power of two, its size a multiple of it, its fields lie within
//!    it, and no struct contains itself; no type is larger than 2^40 bytes.
//! 2. A constant has exactly its type's bytes, a threadgroup variable has none.
//! 3. Calls form no cycle.
//! 4. A kernel's function returns nothing and takes one pointer per kernel parameter, to
//!    device or constant memory for buffers and to threadgroup memory otherwise; kernel names
//!    differ.
//!
//! Structure
//! 5. Every block is entered from one place, every instruction stands in one block once, and a
//!    region belongs to one instruction; nesting stays below 250.
//! 6. A terminator ends its block; `test` ends only headers, `next` only continue parts. A
//!    block may lack one only if leaving its end needs no values.
//! 7. An exit names an enclosing region of the function and carries its results (of a body: the
//!    continue part's parameters; of the function: the returned value).
//! 8. An operand is a parameter or an earlier result, visible where it is used.
//!
//! Types
//! 9. Every operation's operands and results have the types its documentation asks for; results
//!    are loadable; vector components and fields are in range.
//! 10. Nothing stores to constant memory; a promised alignment is a power of two.
//!
//! [`verify_canonical`] also insists on canonical form: no parameters of blocks, no loop
//! values, no inlined-at links.

use super::*;

/// Largest type, in bytes.
pub(super) const MAX_SIZE: u64 = 1 << 40;
/// Deepest nesting of regions.
pub(super) const MAX_NESTING: usize = 250;

/// A violated invariant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VerifyError {
    /// The function, if it is inside one.
    pub function: Option<String>,
    /// The instruction's position, if it is one.
    pub span: Span,
    /// What is wrong.
    pub message: String,
}

impl std::fmt::Display for VerifyError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.function {
            Some(name) => write!(f, "in {name}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

impl std::error::Error for VerifyError {}

/// Checks a module of either form; the first violation is the error.
pub fn verify(module: &Module) -> Result<(), VerifyError> {
    check_module(module, false)
}

/// Checks that a module is valid and in canonical form.
pub fn verify_canonical(module: &Module) -> Result<(), VerifyError> {
    check_module(module, true)
}

fn check_module(module: &Module, canonical: bool) -> Result<(), VerifyError> {
    let error = |message: String| VerifyError { function: None, span: Span::NONE, message };
    check_types(&module.types).map_err(error)?;
    for global in &module.globals {
        let expected = match global.space {
            Space::Constant => module.types.size(global.ty),
            Space::Threadgroup => 0,
            Space::Device | Space::Thread => {
                return Err(error(format!("global {} is in a wrong space", global.name)));
            }
        };
        if global.bytes.len() as u64 != expected || global.ty == Type::VOID {
            return Err(error(format!("global {} must have {expected} bytes", global.name)));
        }
    }
    for function in &module.functions {
        let mut checker = Checker::new(module, function, canonical);
        if let Err(message) = checker.function() {
            let (function, span) = (Some(function.name.clone()), checker.span);
            return Err(VerifyError { function, span, message });
        }
    }
    check_calls(module).map_err(error)?;
    for (i, kernel) in module.kernels.iter().enumerate() {
        check_kernel(module, kernel).map_err(error)?;
        if module.kernels[..i].iter().any(|other| other.name == kernel.name) {
            return Err(error(format!("two kernels are named {}", kernel.name)));
        }
    }
    Ok(())
}

fn check_types(types: &Types) -> Result<(), String> {
    let count = types.structs().len();
    // 0 unseen, 1 open, 2 done.
    let mut state = vec![0u8; count];
    for id in 0..count {
        check_struct_cycle(types, id, &mut state, 0)?;
    }
    for structure in types.structs() {
        let name = &structure.name;
        if !structure.align.is_power_of_two() || structure.align > MAX_SIZE {
            return Err(format!("struct {name}: the alignment is no power of two"));
        }
        if structure.size % structure.align != 0 || structure.size > MAX_SIZE {
            return Err(format!("struct {name}: bad size {}", structure.size));
        }
        for field in &structure.fields {
            let end = field.offset.saturating_add(types.size(field.ty));
            if end > structure.size {
                return Err(format!("struct {name}: field {} ends outside", field.name));
            }
        }
    }
    for ty in (0..types.len() as u32).map(Type) {
        if types.size(ty) > MAX_SIZE {
            return Err("a type is too large".to_string());
        }
        match types.kind(ty) {
            TypeKind::Vector(_, n) | TypeKind::Packed(_, n) if !(2..=4).contains(&n) => {
                return Err(format!("vectors have 2 to 4 components, not {n}"));
            }
            TypeKind::SimdMatrix(scalar) if !scalar.is_float() => {
                return Err("simdgroup matrices have float elements".to_string());
            }
            TypeKind::Array(Type::VOID, _) => return Err("an array of void".to_string()),
            TypeKind::Struct(id) if id.0 as usize >= count => {
                return Err("a struct does not exist".to_string());
            }
            _ => {}
        }
    }
    Ok(())
}

fn check_struct_cycle(
    types: &Types,
    id: usize,
    state: &mut [u8],
    depth: usize,
) -> Result<(), String> {
    if id >= state.len() {
        return Err("a struct does not exist".to_string());
    }
    if state[id] == 1 || depth > MAX_NESTING {
        return Err(format!("struct {} contains itself", types.structs()[id].name));
    }
    if state[id] == 2 {
        return Ok(());
    }
    state[id] = 1;
    for field in &types.structs()[id].fields {
        let mut ty = field.ty;
        while let TypeKind::Array(element, _) = types.kind(ty) {
            ty = element;
        }
        if let TypeKind::Struct(inner) = types.kind(ty) {
            check_struct_cycle(types, inner.0 as usize, state, depth + 1)?;
        }
    }
    state[id] = 2;
    Ok(())
}

fn check_calls(module: &Module) -> Result<(), String> {
    let count = module.functions.len();
    let callees: Vec<Vec<usize>> = module
        .functions
        .iter()
        .map(|function| {
            let calls = function.insts.iter().filter_map(|inst| match inst.op {
                Op::Call { function, .. } => Some(function.index()),
                _ => None,
            });
            calls.collect()
        })
        .collect();
    let mut state = vec![0u8; count];
    for root in 0..count {
        // An explicit stack: call chains may be long.
        let mut stack = vec![(root, 0usize)];
        while let Some((id, next)) = stack.pop() {
            if next == 0 && state[id] == 2 {
                continue;
            }
            state[id] = 1;
            match callees[id].get(next) {
                None => state[id] = 2,
                Some(&callee) if callee >= count => return Err("a callee does not exist".into()),
                Some(&callee) if state[callee] == 1 => {
                    return Err(format!("{} calls itself", module.functions[callee].name));
                }
                Some(&callee) => {
                    stack.push((id, next + 1));
                    stack.push((callee, 0));
                }
            }
        }
    }
    Ok(())
}

fn check_kernel(module: &Module, kernel: &Kernel) -> Result<(), String> {
    let name = &kernel.name;
    let Some(function) = module.functions.get(kernel.function.index()) else {
        return Err(format!("kernel {name}: the function does not exist"));
    };
    if function.result.is_some() || function.params.len() != kernel.params.len() {
        return Err(format!("kernel {name}: parameters or result do not fit its function"));
    }
    for (param, own) in kernel.params.iter().zip(&function.params) {
        let space = match module.types.kind(function.ty(own.value)) {
            TypeKind::Pointer(space, _) => space,
            _ => return Err(format!("kernel {name}: {} is not a pointer", param.name)),
        };
        let fits = match param.binding {
            Binding::Buffer(_) => matches!(space, Space::Device | Space::Constant),
            Binding::Threadgroup(_) => space == Space::Threadgroup,
        };
        if !fits || own.passing != Passing::Value {
            return Err(format!("kernel {name}: {} is in a wrong space", param.name));
        }
        if param.writable && space == Space::Constant {
            return Err(format!("kernel {name}: {} is constant and writable", param.name));
        }
    }
    Ok(())
}

/// What the end of a block leads to.
enum Ending<'t> {
    /// Leaves the region, which asks for these values; none may be given by falling off.
    Region(&'t [Type]),
    /// A loop's header: results of the loop.
    Header(&'t [Type]),
    /// A loop's continue part: types of the header's parameters.
    Next(&'t [Type]),
}

struct Checker<'m> {
    module: &'m Module,
    f: &'m Function,
    canonical: bool,
    span: Span,
    visible: Vec<bool>,
    seen_inst: Vec<bool>,
    seen_block: Vec<bool>,
    seen_region: Vec<bool>,
    /// Values that exits to an open region carry; `None` while it is not open.
    open: Vec<Option<Vec<Type>>>,
    depth: usize,
}

type Check = Result<(), String>;

fn want(condition: bool, message: &str) -> Check {
    if condition { Ok(()) } else { Err(message.to_string()) }
}

impl<'m> Checker<'m> {
    fn new(module: &'m Module, f: &'m Function, canonical: bool) -> Checker<'m> {
        Checker {
            module,
            f,
            canonical,
            span: f.span,
            visible: vec![false; f.values.len()],
            seen_inst: vec![false; f.insts.len()],
            seen_block: vec![false; f.blocks.len()],
            seen_region: vec![false; f.regions.len()],
            open: vec![None; f.regions.len()],
            depth: 0,
        }
    }

    fn function(&mut self) -> Check {
        let types = &self.module.types;
        for &ty in &self.f.values {
            want((ty.0 as usize) < types.len() && types.is_loadable(ty), "a value is no value")?;
        }
        for local in &self.f.locals {
            want((local.ty.0 as usize) < types.len() && local.ty != Type::VOID, "a void local")?;
        }
        for site in &self.f.inline_sites {
            let known = site.parent.is_none_or(|p| p.index() < self.f.inline_sites.len());
            want(known, "an inlined-at link leads nowhere")?;
        }
        for (i, param) in self.f.params.iter().enumerate() {
            self.define(param.value)?;
            if param.passing != Passing::Value {
                want(self.space(param.value) == Some(Space::Thread), "copies are thread memory")?;
            }
            want(param.passing != Passing::Result || i == 0, "the result parameter comes first")?;
        }
        if let Some(ty) = self.f.result {
            want(types.is_loadable(ty), "a function returns a loadable value")?;
        }
        let results: Vec<Type> = self.f.result.into_iter().collect();
        want(self.f.regions.first() == Some(&RegionKind::Function), "no function region")?;
        self.enter(RegionId(0), RegionKind::Function, results.clone())?;
        want(self.f.body.index() < self.f.blocks.len(), "no body")?;
        self.block(self.f.body, Ending::Region(&results), &[])
    }

    fn enter(&mut self, region: RegionId, kind: RegionKind, values: Vec<Type>) -> Check {
        want(self.f.regions.get(region.index()) == Some(&kind), "a region is of another kind")?;
        want(!self.seen_region[region.index()], "a region belongs to two instructions")?;
        self.seen_region[region.index()] = true;
        self.open[region.index()] = Some(values);
        Ok(())
    }

    fn leave(&mut self, region: RegionId) {
        self.open[region.index()] = None;
    }

    fn define(&mut self, value: ValueId) -> Check {
        match self.visible.get_mut(value.index()) {
            Some(slot) if !*slot => {
                *slot = true;
                Ok(())
            }
            _ => Err("a value is defined twice".to_string()),
        }
    }

    fn types_of(&self, values: &[ValueId]) -> Vec<Type> {
        values.iter().map(|&value| self.f.ty(value)).collect()
    }

    /// Checks a block and hides its values again.
    fn block(&mut self, block: BlockId, ending: Ending<'_>, params: &[Type]) -> Check {
        let defined = self.open_block(block, ending, params)?;
        self.hide(&defined);
        Ok(())
    }

    fn hide(&mut self, values: &[ValueId]) {
        for value in values {
            self.visible[value.index()] = false;
        }
    }

    fn open_block(
        &mut self,
        block: BlockId,
        ending: Ending<'_>,
        params: &[Type],
    ) -> Result<Vec<ValueId>, String> {
        want(block.index() < self.f.blocks.len(), "a block does not exist")?;
        want(!self.seen_block[block.index()], "a block is entered from two places")?;
        self.seen_block[block.index()] = true;
        self.depth += 1;
        want(self.depth < MAX_NESTING, "regions are nested too deeply")?;
        let f = self.f;
        let data = f.block(block);
        let mut defined = data.params.clone();
        for &param in &data.params {
            self.define(param)?;
        }
        want(self.types_of(&data.params) == params, "a block's parameters have other types")?;
        want(!self.canonical || params.is_empty(), "canonical form has no block parameters")?;
        let mut terminated = false;
        for &id in &data.insts {
            want(!terminated, "an instruction follows a terminator")?;
            want(id.index() < f.insts.len(), "an instruction does not exist")?;
            want(!self.seen_inst[id.index()], "an instruction stands in two blocks")?;
            self.seen_inst[id.index()] = true;
            let inst = f.inst(id);
            self.span = inst.span;
            let last = inst.first_result.0.checked_add(inst.results);
            want(last.is_some_and(|last| last as usize <= f.values.len()), "no such result")?;
            if let Some(site) = inst.inlined {
                want(site.index() < f.inline_sites.len(), "an inlined-at link leads nowhere")?;
                want(!self.canonical, "canonical form has no inlined calls")?;
            }
            let mut operands_visible = true;
            f.each_operand(&inst.op, |value| {
                operands_visible &= self.visible.get(value.index()).copied().unwrap_or(false);
            });
            want(operands_visible, "an operand is not visible here")?;
            self.inst(inst, &ending)?;
            for value in inst.result_ids() {
                self.define(value)?;
                defined.push(value);
            }
            terminated = inst.op.is_terminator();
        }
        let needs_values = match ending {
            Ending::Region(types) | Ending::Next(types) => !types.is_empty(),
            Ending::Header(_) => false,
        };
        want(terminated || !needs_values, "a block ends without the values it owes")?;
        self.depth -= 1;
        Ok(defined)
    }

    fn inst(&mut self, inst: &Inst, ending: &Ending<'_>) -> Check {
        let f = self.f;
        let results: Vec<Type> = inst.result_ids().map(|value| f.ty(value)).collect();
        match inst.op {
            Op::Block { region, body, .. } => {
                self.enter(region, RegionKind::Block, results.clone())?;
                self.block(body, Ending::Region(&results), &[])?;
                self.leave(region);
                Ok(())
            }
            Op::If { region, cond, then, otherwise } => {
                want(f.ty(cond) == Type::BOOL, "an if's condition is a bool")?;
                self.enter(region, RegionKind::If, results.clone())?;
                self.block(then, Ending::Region(&results), &[])?;
                self.block(otherwise, Ending::Region(&results), &[])?;
                self.leave(region);
                Ok(())
            }
            Op::Loop(id) => {
                want(id.index() < f.loops.len(), "a loop does not exist")?;
                let parts = f.loop_parts(id);
                let exists = |block: BlockId| block.index() < f.blocks.len();
                want(exists(parts.header) && exists(parts.next), "a block does not exist")?;
                let carried = self.types_of(f.list(parts.inits));
                let next_params = &f.block(parts.next).params;
                let known = next_params.iter().all(|value| value.index() < f.values.len());
                want(known, "a parameter does not exist")?;
                let continued = self.types_of(next_params);
                self.enter(parts.region, RegionKind::Loop, results.clone())?;
                let header = self.open_block(parts.header, Ending::Header(&results), &carried)?;
                self.enter(parts.body_region, RegionKind::Body, continued.clone())?;
                self.block(parts.body, Ending::Region(&continued), &[])?;
                self.leave(parts.body_region);
                self.block(parts.next, Ending::Next(&carried), &continued)?;
                self.hide(&header);
                self.leave(parts.region);
                want(!self.canonical || results.is_empty(), "canonical loops have no results")
            }
            Op::Switch(id) => {
                want(id.index() < f.switches.len(), "a switch does not exist")?;
                let switch = f.switch(id);
                let scalar = self.scalar(switch.selector);
                want(scalar.is_some_and(Scalar::is_int), "a switch selects by an integer")?;
                self.enter(switch.region, RegionKind::Switch, results.clone())?;
                let mut values: Vec<u64> = Vec::new();
                for (i, case) in switch.cases.iter().enumerate() {
                    values.extend(&case.values);
                    // Only the last case leaves the switch by falling off its end.
                    let last = i + 1 == switch.cases.len();
                    let owed: &[Type] = if last { &results } else { &[] };
                    self.block(case.block, Ending::Region(owed), &[])?;
                }
                values.sort_unstable();
                want(values.windows(2).all(|w| w[0] != w[1]), "a case value stands twice")?;
                let defaults = switch.cases.iter().filter(|case| case.default).count();
                want(defaults <= 1, "a switch has two defaults")?;
                want(defaults == 1 || results.is_empty(), "a switch with results needs a default")?;
                self.leave(switch.region);
                Ok(())
            }
            Op::Exit { region, values } => {
                let carried = self.types_of(f.list(values));
                match self.open.get(region.index()) {
                    Some(Some(expected)) => {
                        want(*expected == carried, "an exit carries other values")?;
                        want(results.is_empty(), "an exit has no result")
                    }
                    _ => Err("an exit names a region that does not enclose it".to_string()),
                }
            }
            Op::Test { cond, values } => {
                want(f.ty(cond) == Type::BOOL, "a test needs a bool")?;
                match ending {
                    Ending::Header(owed) => {
                        let carried = self.types_of(f.list(values));
                        want(carried == *owed, "a test carries other values")?;
                        want(results.is_empty(), "a test has no result")
                    }
                    _ => Err("a test stands outside a loop's header".to_string()),
                }
            }
            Op::Next(values) => match ending {
                Ending::Next(owed) => {
                    let carried = self.types_of(f.list(values));
                    want(carried == *owed, "next carries other values")?;
                    want(results.is_empty(), "next has no result")
                }
                _ => Err("next stands outside a loop's continue part".to_string()),
            },
            _ => self.operation(&inst.op, &results),
        }
    }

    fn kind(&self, value: ValueId) -> TypeKind {
        self.module.types.kind(self.f.ty(value))
    }

    fn scalar(&self, value: ValueId) -> Option<Scalar> {
        match self.kind(value) {
            TypeKind::Scalar(scalar) => Some(scalar),
            _ => None,
        }
    }

    fn space(&self, value: ValueId) -> Option<Space> {
        match self.kind(value) {
            TypeKind::Pointer(space, _) => Some(space),
            _ => None,
        }
    }

    fn components(&self, ty: Type) -> Option<(Scalar, u8)> {
        self.module.types.components(ty)
    }

    fn readable(&self, ptr: ValueId) -> Check {
        want(self.space(ptr).is_some(), "an address is not a pointer")
    }

    fn writable(&self, ptr: ValueId) -> Check {
        want(
            self.space(ptr).is_some_and(|space| space != Space::Constant),
            "an address is not a pointer to writable memory",
        )
    }

    fn memory_type(&self, ty: Type) -> Check {
        want((ty.0 as usize) < self.module.types.len() && ty != Type::VOID, "no memory type")
    }

    fn int(&self, value: ValueId) -> Check {
        want(self.scalar(value).is_some_and(Scalar::is_int), "an integer is needed")
    }

    fn operation(&self, op: &Op, results: &[Type]) -> Check {
        let f = self.f;
        let types = &self.module.types;
        let ty = |value: ValueId| f.ty(value);
        let one = || match results {
            [ty] => Ok(*ty),
            _ => Err("one result is needed".to_string()),
        };
        let none = || want(results.is_empty(), "no result is allowed");
        let same = |value: ValueId| want(one()? == ty(value), "operand and result types differ");
        match *op {
            Op::Const(bits) => match types.kind(one()?) {
                TypeKind::Pointer(..) => want(bits == 0, "a constant pointer is null"),
                TypeKind::Scalar(scalar) | TypeKind::Vector(scalar, _) => {
                    let width = scalar.bits();
                    want(width == 64 || bits >> width == 0, "a constant has too many bits")
                }
                TypeKind::SimdMatrix(scalar) => {
                    want(bits >> scalar.bits() == 0, "a constant has too many bits")
                }
                _ => Err("a constant of no value type".to_string()),
            },
            Op::Var(local) => {
                let known = f.locals.get(local.index()).ok_or("a local does not exist")?;
                let expected = TypeKind::Pointer(Space::Thread, known.ty);
                want(types.kind(one()?) == expected, "a var is a pointer to its type")
            }
            Op::Global(id) => {
                let global = self.module.globals.get(id.index()).ok_or("no such global")?;
                let expected = TypeKind::Pointer(global.space, global.ty);
                want(types.kind(one()?) == expected, "a global is a pointer to its type")
            }
            Op::Element { ptr, ty: element, index } => {
                self.readable(ptr)?;
                self.int(index)?;
                self.same_space(ptr, one()?)?;
                want((element.0 as usize) < types.len(), "no such type")
            }
            Op::Field { ptr, structure, field } => {
                self.readable(ptr)?;
                self.same_space(ptr, one()?)?;
                let layout = types.structs().get(structure.0 as usize).ok_or("no such struct")?;
                want((field as usize) < layout.fields.len(), "no such field")
            }
            Op::PtrCast(a) => {
                self.readable(a)?;
                want(matches!(types.kind(one()?), TypeKind::Pointer(..)), "casts give pointers")
            }
            Op::PtrDiff { a, b, ty: element } => {
                self.readable(a)?;
                self.readable(b)?;
                self.memory_type(element)?;
                want(types.size(element) > 0, "elements of no size have no distance")?;
                want(one()? == Type::I64, "a distance is i64")
            }
            Op::Load { ptr, access } => {
                self.readable(ptr)?;
                self.access(access, one()?)
            }
            Op::Store { ptr, value, access } => {
                self.writable(ptr)?;
                none()?;
                self.access(access, ty(value))
            }
            Op::Copy { dst, src, ty } => {
                self.writable(dst)?;
                self.readable(src)?;
                none()?;
                self.memory_type(ty)
            }
            Op::Zero { ptr, ty } => {
                self.writable(ptr)?;
                none()?;
                self.memory_type(ty)
            }
            Op::AtomicRmw { op, ptr, value, access } => {
                self.writable(ptr)?;
                self.access(access, ty(value))?;
                let scalar = self.scalar(value).filter(|&s| s.size() >= 4);
                let bitwise = matches!(op, AtomicOp::And | AtomicOp::Or | AtomicOp::Xor);
                let fits = scalar.is_some_and(|s| s.is_int() || (s.is_float() && !bitwise));
                want(fits && access.order != Order::Plain, "no such atomic operation")?;
                same(value)
            }
            Op::AtomicCmpXchg { ptr, expected, desired, access } => {
                self.writable(ptr)?;
                self.access(access, ty(desired))?;
                let fits = self.scalar(desired).is_some_and(|s| s.size() >= 4);
                want(fits && access.order != Order::Plain, "no such atomic operation")?;
                want(ty(expected) == ty(desired), "expected and desired differ")?;
                want(results == [ty(desired), Type::BOOL], "an exchange gives value and bool")
            }
            Op::Fence { flags, .. } | Op::Barrier { flags, exec: Scope::Simdgroup, .. } => {
                none()?;
                want(flags.0 < 8, "unknown memory flags")
            }
            Op::Barrier { exec, flags, .. } => {
                none()?;
                want(flags.0 < 8, "unknown memory flags")?;
                want(exec == Scope::Threadgroup, "barriers are of simdgroups or threadgroups")
            }
            Op::Unary(op, a) => {
                same(a)?;
                let (scalar, _) = self.components(ty(a)).ok_or("an operand is no number")?;
                let fits = match op {
                    UnaryOp::Neg | UnaryOp::Abs => scalar != Scalar::Bool,
                    UnaryOp::Not => !scalar.is_float(),
                    UnaryOp::Sqrt | UnaryOp::Floor | UnaryOp::Ceil => scalar.is_float(),
                    UnaryOp::Trunc | UnaryOp::Rint => scalar.is_float(),
                    UnaryOp::Clz | UnaryOp::Ctz => scalar.is_int(),
                    UnaryOp::Popcount | UnaryOp::ReverseBits => scalar.is_int(),
                };
                want(fits, "the operation does not exist for this type")
            }
            Op::Binary(op, a, b) => {
                same(a)?;
                want(ty(a) == ty(b), "operand types differ")?;
                let (scalar, _) = self.components(ty(a)).ok_or("an operand is no number")?;
                let fits = match op {
                    BinaryOp::Add | BinaryOp::Sub | BinaryOp::Mul => scalar != Scalar::Bool,
                    BinaryOp::Div | BinaryOp::Rem => scalar != Scalar::Bool,
                    BinaryOp::Min | BinaryOp::Max => scalar != Scalar::Bool,
                    BinaryOp::And | BinaryOp::Or | BinaryOp::Xor => !scalar.is_float(),
                    BinaryOp::Shl | BinaryOp::Shr | BinaryOp::MulHi => scalar.is_int(),
                    BinaryOp::AddSat | BinaryOp::SubSat => scalar.is_int(),
                };
                want(fits, "the operation does not exist for this type")
            }
            Op::Compare(op, a, b) => {
                let result = one()?;
                if self.space(a).is_some() && self.space(b).is_some() {
                    return want(result == Type::BOOL, "a comparison gives bool");
                }
                want(ty(a) == ty(b), "operand types differ")?;
                let (scalar, n) = self.components(ty(a)).ok_or("an operand is no number")?;
                let order = !matches!(op, CompareOp::Eq | CompareOp::Ne);
                want(!order || scalar != Scalar::Bool, "bools have no order")?;
                want(self.components(result) == Some((Scalar::Bool, n)), "comparisons give bool")
            }
            Op::Fma(a, b, c) => {
                same(a)?;
                want(ty(a) == ty(b) && ty(a) == ty(c), "operand types differ")?;
                let float = self.components(ty(a)).is_some_and(|(scalar, _)| scalar.is_float());
                want(float, "fma is of floats")
            }
            Op::Select { cond, a, b } => {
                same(a)?;
                want(ty(a) == ty(b), "operand types differ")?;
                let n = self.components(ty(a)).map_or(1, |(_, n)| n);
                let fits = match self.components(ty(cond)) {
                    Some((Scalar::Bool, count)) => count == 1 || count == n,
                    _ => false,
                };
                want(fits, "a selection needs a bool, or one per component")
            }
            Op::Convert(a) => {
                let result = one()?;
                match (self.kind(a), types.kind(result)) {
                    (TypeKind::Pointer(..), TypeKind::Scalar(Scalar::I64 | Scalar::U64))
                    | (TypeKind::Scalar(Scalar::I64 | Scalar::U64), TypeKind::Pointer(..)) => {
                        Ok(())
                    }
                    (TypeKind::SimdMatrix(_), TypeKind::SimdMatrix(_)) => Ok(()),
                    _ => {
                        let from = self.components(ty(a)).map(|(_, n)| n);
                        let to = self.components(result).map(|(_, n)| n);
                        want(from.is_some() && from == to, "no such conversion")
                    }
                }
            }
            Op::Bitcast(a) => {
                let bits = |ty: Type| match types.kind(ty) {
                    TypeKind::SimdMatrix(scalar) => Some(scalar.size() * 2),
                    _ => self
                        .components(ty)
                        .filter(|&(scalar, _)| scalar != Scalar::Bool)
                        .map(|(scalar, n)| scalar.size() * u64::from(n)),
                };
                let (from, to) = (bits(ty(a)), bits(one()?));
                want(from.is_some() && from == to, "the bits do not fit")
            }
            Op::Vector(list) => {
                let (scalar, n) = self.vector(one()?)?;
                let parts = f.list(list);
                let fit = parts.iter().all(|&part| self.scalar(part) == Some(scalar));
                want(fit && parts.len() == n as usize, "the components do not fit")
            }
            Op::Splat(a) => {
                let scalar = match types.kind(one()?) {
                    TypeKind::SimdMatrix(scalar) | TypeKind::Vector(scalar, _) => scalar,
                    _ => return Err("a splat gives a vector or simdgroup matrix".to_string()),
                };
                want(self.scalar(a) == Some(scalar), "the component does not fit")
            }
            Op::Extract { vector, index } => {
                let (scalar, n) = self.vector(ty(vector))?;
                want(index < n, "no such component")?;
                want(one()? == Type::scalar(scalar), "the component has another type")
            }
            Op::ExtractAt { vector, index } => {
                let (scalar, _) = self.vector(ty(vector))?;
                self.int(index)?;
                want(one()? == Type::scalar(scalar), "the component has another type")
            }
            Op::Insert { vector, index, value } => {
                let (scalar, n) = self.vector(ty(vector))?;
                want(index < n && self.scalar(value) == Some(scalar), "no such component")?;
                same(vector)
            }
            Op::InsertAt { vector, index, value } => {
                let (scalar, _) = self.vector(ty(vector))?;
                self.int(index)?;
                want(self.scalar(value) == Some(scalar), "the component has another type")?;
                same(vector)
            }
            Op::Swizzle { a, b, lanes } => {
                let (first, n) = self.components(ty(a)).ok_or("an operand is no vector")?;
                let (second, m) = self.components(ty(b)).ok_or("an operand is no vector")?;
                let (scalar, count) = self.vector(one()?)?;
                want(first == second && first == scalar, "component types differ")?;
                let used = &lanes[..count as usize];
                want(used.iter().all(|&lane| lane < n + m), "no such component")
            }
            Op::Attribute(attribute) => {
                let n = if attribute.is_vector() { 3 } else { 1 };
                want(self.components(one()?) == Some((Scalar::U32, n)), "attributes are u32")
            }
            Op::Reduce { op, value, .. } => {
                same(value)?;
                let (scalar, _) = self.components(ty(value)).ok_or("an operand is no number")?;
                let bitwise = matches!(op, ReduceOp::And | ReduceOp::Or | ReduceOp::Xor);
                let fits = scalar.is_int() || (scalar.is_float() && !bitwise);
                want(fits, "the reduction does not exist for this type")
            }
            Op::Scan { value, .. } => {
                same(value)?;
                let number = self.components(ty(value)).is_some_and(|(s, _)| s != Scalar::Bool);
                want(number, "the prefix operation does not exist for this type")
            }
            Op::Shuffle { value, lane, .. } => {
                same(value)?;
                self.int(lane)?;
                want(self.components(ty(value)).is_some(), "only numbers are shuffled")
            }
            Op::ShuffleFill { op, value, fill, lane, modulo, .. } => {
                same(value)?;
                same(fill)?;
                self.int(lane)?;
                self.int(modulo)?;
                want(matches!(op, ShuffleOp::Up | ShuffleOp::Down), "fills go up or down")?;
                want(self.components(ty(value)).is_some(), "only numbers are shuffled")
            }
            Op::BroadcastFirst { value, .. } => {
                same(value)?;
                want(self.components(ty(value)).is_some(), "only numbers are broadcast")
            }
            Op::Vote { op, value, .. } => {
                let result = if op == VoteOp::Ballot { Type::U64 } else { Type::BOOL };
                want(ty(value) == Type::BOOL && one()? == result, "votes are about bools")
            }
            Op::MatrixLoad { ptr, stride, .. } => {
                self.readable(ptr)?;
                self.int(stride)?;
                want(matches!(types.kind(one()?), TypeKind::SimdMatrix(_)), "no matrix")
            }
            Op::MatrixStore { ptr, value, stride, .. } => {
                self.writable(ptr)?;
                self.int(stride)?;
                none()?;
                want(matches!(self.kind(value), TypeKind::SimdMatrix(_)), "no matrix")
            }
            Op::MatrixDiagonal(a) => match types.kind(one()?) {
                TypeKind::SimdMatrix(scalar) => {
                    want(self.scalar(a) == Some(scalar), "the element does not fit")
                }
                _ => Err("no matrix".to_string()),
            },
            Op::MatrixMulAdd { a, b, c } => {
                same(c)?;
                let matrix = |v| matches!(self.kind(v), TypeKind::SimdMatrix(_));
                want(matrix(a) && matrix(b) && matrix(c), "no matrix")
            }
            Op::Call { function, args } => {
                let callee = self.module.functions.get(function.index()).ok_or("no callee")?;
                let args = f.list(args);
                want(args.len() == callee.params.len(), "a call has another number of arguments")?;
                for (&arg, param) in args.iter().zip(&callee.params) {
                    let expected = callee.values.get(param.value.index());
                    // Pointers of one space fit each other: pointees are not checked.
                    let fits = match expected.map(|&ty| types.kind(ty)) {
                        Some(TypeKind::Pointer(space, _)) => self.space(arg) == Some(space),
                        _ => expected == Some(&ty(arg)),
                    };
                    want(fits, "an argument has another type")?;
                }
                want(results == callee.result.as_slice(), "a call has another result")
            }
            Op::Block { .. }
            | Op::If { .. }
            | Op::Loop(_)
            | Op::Switch(_)
            | Op::Exit { .. }
            | Op::Test { .. }
            | Op::Next(_) => Ok(()),
        }
    }

    fn vector(&self, ty: Type) -> Result<(Scalar, u8), String> {
        match self.module.types.kind(ty) {
            TypeKind::Vector(scalar, n) => Ok((scalar, n)),
            _ => Err("a vector is needed".to_string()),
        }
    }

    fn same_space(&self, ptr: ValueId, result: Type) -> Check {
        let result = match self.module.types.kind(result) {
            TypeKind::Pointer(space, _) => Some(space),
            _ => None,
        };
        want(result == self.space(ptr), "an address step stays in its space")
    }

    fn access(&self, access: Access, ty: Type) -> Check {
        let align = access.align;
        want(align == 0 || align.is_power_of_two(), "an alignment is no power of two")?;
        let single = matches!(self.module.types.kind(ty), TypeKind::Scalar(_));
        want(access.order == Order::Plain || single, "atomic accesses are of scalars")
    }
}
