//! Constant evaluation: the typed program run by its definition, with a limit on steps.
//!
//! Pointers are paths into objects, so reading outside an object is noticed and refused. What the
//! language leaves undefined at run time (division by zero, for one) is an error here.

use crate::diagnostic::Span;
use crate::ir::{BinaryOp, CompareOp};
use crate::sema::bits::{as_i64, binary, compare, convert, fma, unary};
use crate::sema::codes;
use crate::sema::hir::{Expr, ExprKind, FnId, LocalId, LoopForm, Pointer, Root, Stmt, Value};
use crate::sema::types::{Kind, Qt, Scalar};
use crate::sema::{Res, Sema};

/// Steps that all constant evaluations of a compilation may take together.
const MAX_STEPS: u64 = 4_000_000;
/// Calls within calls.
const MAX_CALLS: usize = 200;
/// Elements of a constant.
const MAX_PARTS: u64 = 1 << 20;

/// The objects and calls of one evaluation.
#[derive(Debug, Default)]
struct Machine {
    /// Objects; a call's locals are a stretch of them.
    slots: Vec<Value>,
    /// Where the current call's locals start; `None` outside calls.
    base: Option<usize>,
    calls: usize,
    old: Vec<Value>,
}

/// How a statement ended.
enum Flow {
    Next,
    Break,
    Continue,
    Return(Option<Value>),
}

impl Sema<'_> {
    /// The value of a constant expression.
    pub(super) fn evaluate(&mut self, e: &Expr) -> Res<Value> {
        let mut machine = Machine::default();
        self.eval(&mut machine, e)
    }

    /// The value of an expression that need not be constant.
    pub(super) fn evaluate_quietly(&mut self, e: &Expr) -> Res<Value> {
        match e.kind {
            ExprKind::Const(bits) => Ok(Value::Bits(bits)),
            _ => self.evaluate(e),
        }
    }

    fn step(&mut self, at: Span) -> Res<()> {
        self.steps += 1;
        if self.steps > MAX_STEPS + 1 {
            return Err(crate::sema::Reported);
        }
        if self.steps > MAX_STEPS {
            let silent = std::mem::replace(&mut self.silent, 0);
            let message = format!("constant evaluation took more than {MAX_STEPS} steps");
            let result = self.err(codes::CONSTANT_LIMIT, at, message);
            self.silent = silent;
            return result;
        }
        Ok(())
    }

    fn not_constant<T>(&mut self, at: Span, why: &str) -> Res<T> {
        self.err(codes::NOT_CONSTANT, at, format!("this is not a constant: {why}"))
    }

    /// The zero of a type.
    pub(super) fn zero(&mut self, ty: Qt) -> Value {
        match self.types.kind(ty.ty).clone() {
            Kind::Vector(_, n) | Kind::Packed(_, n) => Value::Parts(vec![Value::Bits(0); n.into()]),
            Kind::Matrix(_, c, r) => {
                Value::Parts(vec![Value::Parts(vec![Value::Bits(0); r.into()]); c.into()])
            }
            Kind::Array(element, length) => {
                let zero = self.zero(element);
                Value::Parts(vec![zero; length.unwrap_or(0).min(MAX_PARTS) as usize])
            }
            Kind::Class(class) => {
                let fields: Vec<Qt> = self.class(class).fields.iter().map(|f| f.ty).collect();
                Value::Parts(fields.into_iter().map(|ty| self.zero(ty)).collect())
            }
            Kind::Pointer(_) | Kind::Ref(..) | Kind::Nullptr => {
                Value::Pointer(Pointer { root: None, path: Vec::new() })
            }
            _ => Value::Bits(0),
        }
    }

    fn scalar_of(&self, e: &Expr) -> Scalar {
        match self.types.as_vector(e.ty.ty) {
            Some((scalar, _)) => scalar,
            None => self.types.as_scalar(e.ty.ty).unwrap_or(Scalar::U64),
        }
    }

    fn bits(&mut self, m: &mut Machine, e: &Expr) -> Res<u64> {
        match self.eval(m, e)? {
            Value::Bits(bits) => Ok(bits),
            Value::Pointer(pointer) => Ok(u64::from(pointer.root.is_some())),
            Value::Parts(_) | Value::Function(_) => self.not_constant(e.span, "it is no number"),
        }
    }

    fn eval(&mut self, m: &mut Machine, e: &Expr) -> Res<Value> {
        self.step(e.span)?;
        let scalar = self.scalar_of(e);
        Ok(match &e.kind {
            ExprKind::Const(bits) => match self.types.kind(e.ty.ty) {
                Kind::Pointer(_) | Kind::Nullptr => {
                    Value::Pointer(Pointer { root: None, path: Vec::new() })
                }
                _ => Value::Bits(*bits),
            },
            ExprKind::Zero => self.zero(e.ty),
            ExprKind::Constant(value) => (**value).clone(),
            ExprKind::Function(id) => Value::Function(*id),
            ExprKind::Local(_)
            | ExprKind::Global(_)
            | ExprKind::Deref(_)
            | ExprKind::Component(..)
            | ExprKind::Reinterpret(_)
            | ExprKind::Temporary(_) => self.read_place(m, e)?,
            ExprKind::Field(base, field) => {
                if base.lvalue {
                    return self.read_place(m, e);
                }
                match self.eval(m, base)? {
                    Value::Parts(mut parts) if (*field as usize) < parts.len() => {
                        parts.swap_remove(*field as usize)
                    }
                    _ => return self.not_constant(e.span, "this member has no known value"),
                }
            }
            ExprKind::Element(..) => self.read_place(m, e)?,
            ExprKind::Swizzle(base, parts) => {
                let Value::Parts(values) = self.eval(m, base)? else {
                    return self.not_constant(e.span, "this is no vector");
                };
                let mut chosen: Vec<Value> =
                    parts.iter().filter_map(|&p| values.get(p as usize).cloned()).collect();
                match chosen.len() {
                    1 => chosen.swap_remove(0),
                    _ => Value::Parts(chosen),
                }
            }
            ExprKind::Load(place) => self.eval(m, place)?,
            ExprKind::Address(place) => {
                let mut pointer = self.place(m, place)?;
                // An array's address may stand for that of its first element.
                if matches!(self.types.kind(place.ty.ty), Kind::Array(..))
                    && self.types.pointee(e.ty.ty).is_some_and(|to| to.ty != place.ty.ty)
                {
                    pointer.path.push(0);
                }
                Value::Pointer(pointer)
            }
            ExprKind::Unary(op, a) => {
                let scalar = self.scalar_of(a);
                let a = self.eval(m, a)?;
                map1(a, &|x| unary(*op, x, scalar))
            }
            ExprKind::Binary(op, a, b) => {
                let b_is_zero_error =
                    matches!(op, BinaryOp::Div | BinaryOp::Rem) && scalar.is_int();
                let span = e.span;
                let a = self.eval(m, a)?;
                let b = self.eval(m, b)?;
                if b_is_zero_error && b == Value::Bits(0) {
                    return self.not_constant(span, "it divides by zero");
                }
                map2(a, b, &|x, y| binary(*op, x, y, scalar))
            }
            ExprKind::Fma(a, b, c) => {
                let a = self.eval(m, a)?;
                let b = self.eval(m, b)?;
                let c = self.eval(m, c)?;
                map3(a, b, c, &|x, y, z| fma(x, y, z, scalar))
            }
            ExprKind::Compare(op, a, b) => {
                let scalar = self.scalar_of(a);
                let (a, b) = (self.eval(m, a)?, self.eval(m, b)?);
                match (&a, &b) {
                    (Value::Pointer(p), Value::Pointer(q)) => {
                        let result = match op {
                            CompareOp::Eq => p == q,
                            CompareOp::Ne => p != q,
                            CompareOp::Lt => p.path < q.path,
                            CompareOp::Le => p.path <= q.path,
                            CompareOp::Gt => p.path > q.path,
                            CompareOp::Ge => p.path >= q.path,
                        };
                        Value::Bits(result.into())
                    }
                    _ => map2(a, b, &|x, y| compare(*op, x, y, scalar).into()),
                }
            }
            ExprKind::Offset(pointer, index) => {
                let index_scalar = self.scalar_of(index);
                let value = self.eval(m, pointer)?;
                let by = as_i64(self.bits(m, index)?, index_scalar);
                match value {
                    Value::Pointer(mut p) if !p.path.is_empty() => {
                        let last = p.path.len() - 1;
                        let at = i64::from(p.path[last]) + by;
                        match u32::try_from(at) {
                            Ok(at) => p.path[last] = at,
                            Err(_) => {
                                return self.not_constant(e.span, "the address is out of range");
                            }
                        }
                        Value::Pointer(p)
                    }
                    value @ Value::Pointer(_) if by == 0 => value,
                    _ => return self.not_constant(e.span, "the address is out of range"),
                }
            }
            ExprKind::Distance(a, b) => match (self.eval(m, a)?, self.eval(m, b)?) {
                (Value::Pointer(a), Value::Pointer(b)) if a.root == b.root => {
                    let last = |p: &Pointer| p.path.last().copied().map_or(0, i64::from);
                    Value::Bits((last(&a) - last(&b)) as u64)
                }
                _ => return self.not_constant(e.span, "the pointers are unrelated"),
            },
            ExprKind::And(a, b) => match self.bits(m, a)? {
                0 => Value::Bits(0),
                _ => self.eval(m, b)?,
            },
            ExprKind::Or(a, b) => match self.bits(m, a)? {
                0 => self.eval(m, b)?,
                _ => Value::Bits(1),
            },
            ExprKind::Cond(c, a, b) => match self.eval(m, c)? {
                Value::Bits(0) => self.eval(m, b)?,
                Value::Bits(_) => self.eval(m, a)?,
                Value::Parts(conds) => {
                    let (a, b) = (self.eval(m, a)?, self.eval(m, b)?);
                    let (Value::Parts(a), Value::Parts(b)) = (a, b) else {
                        return self.not_constant(e.span, "the operands are no vectors");
                    };
                    let parts = conds.into_iter().zip(a.into_iter().zip(b));
                    Value::Parts(
                        parts.map(|(c, (a, b))| if c == Value::Bits(0) { b } else { a }).collect(),
                    )
                }
                _ => return self.not_constant(e.span, "the condition is unknown"),
            },
            ExprKind::Comma(a, b) => {
                self.eval(m, a)?;
                self.eval(m, b)?
            }
            ExprKind::Assign(place, value) => {
                let value = self.eval(m, value)?;
                self.store(m, place, value.clone())?;
                value
            }
            ExprKind::Update { object, value, postfix } => {
                let old = self.eval(m, object)?;
                m.old.push(old.clone());
                let new = self.eval(m, value);
                m.old.pop();
                let new = new?;
                self.store(m, object, new.clone())?;
                if *postfix { old } else { new }
            }
            ExprKind::Old => match m.old.last() {
                Some(old) => old.clone(),
                None => return self.not_constant(e.span, "its value is unknown"),
            },
            ExprKind::Convert(a) => {
                let from = self.scalar_of(a);
                if matches!(self.types.kind(a.ty.ty), Kind::Pointer(_)) {
                    return self.not_constant(e.span, "an address has no known number");
                }
                let a = self.eval(m, a)?;
                map1(a, &|x| convert(x, from, scalar))
            }
            ExprKind::Bitcast(a) => {
                let value = self.eval(m, a)?;
                let (from, n) = match self.types.as_vector(a.ty.ty) {
                    Some((s, n)) => (s, n),
                    None => (self.scalar_of(a), 1),
                };
                let to_n = self.types.as_vector(e.ty.ty).map_or(1, |(_, n)| n);
                let mut bytes = Vec::new();
                let parts = match value {
                    Value::Parts(parts) => parts,
                    value => vec![value],
                };
                let _ = n;
                for part in parts {
                    let Value::Bits(bits) = part else {
                        return self.not_constant(e.span, "it is no number");
                    };
                    bytes.extend_from_slice(&bits.to_le_bytes()[..from.size() as usize]);
                }
                bytes.resize(bytes.len().max(32), 0);
                let size = scalar.size() as usize;
                let mut out: Vec<Value> = (0..to_n as usize)
                    .map(|i| {
                        let mut word = [0u8; 8];
                        word[..size].copy_from_slice(&bytes[i * size..(i + 1) * size]);
                        Value::Bits(u64::from_le_bytes(word))
                    })
                    .collect();
                if to_n == 1 { out.swap_remove(0) } else { Value::Parts(out) }
            }
            ExprKind::PointerCast(a) => {
                let (from, to) = (self.types.pointee(a.ty.ty), self.types.pointee(e.ty.ty));
                match (from, to) {
                    (Some(a_ty), Some(b)) if a_ty.ty == b.ty => self.eval(m, a)?,
                    _ => return self.not_constant(e.span, "it reads memory as another type"),
                }
            }
            ExprKind::Splat(a) => {
                let a = self.eval(m, a)?;
                let n = self.types.as_vector(e.ty.ty).map_or(1, |(_, n)| n);
                Value::Parts(vec![a; n.into()])
            }
            ExprKind::Vector(parts) => {
                let mut values = Vec::new();
                for part in parts {
                    match self.eval(m, part)? {
                        Value::Parts(parts) => values.extend(parts),
                        value => values.push(value),
                    }
                }
                Value::Parts(values)
            }
            ExprKind::Aggregate(parts) => {
                let mut value = self.zero(e.ty);
                for (n, part) in parts {
                    let part = self.eval(m, part)?;
                    if let Value::Parts(values) = &mut value
                        && let Some(place) = values.get_mut(*n as usize)
                    {
                        *place = part;
                    }
                }
                value
            }
            ExprKind::Call(id, args) => {
                let mut values = Vec::with_capacity(args.len());
                for arg in args {
                    values.push(self.eval(m, arg)?);
                }
                match self.run(m, *id, values, e.span)? {
                    Some(value) => value,
                    None => Value::Parts(Vec::new()),
                }
            }
            ExprKind::New(id, args) => {
                let object = self.zero(e.ty);
                let slot = m.slots.len() as u32;
                m.slots.push(object);
                let root = Some(Root::Slot(slot));
                let mut values = vec![Value::Pointer(Pointer { root, path: Vec::new() })];
                for arg in args {
                    values.push(self.eval(m, arg)?);
                }
                self.run(m, *id, values, e.span)?;
                m.slots[slot as usize].clone()
            }
            ExprKind::Builtin(call) => {
                use crate::builtin::Lowering;
                let mut values = Vec::new();
                for arg in &call.args {
                    values.push(self.eval(m, arg)?);
                }
                let t = call.t.scalar;
                match (call.row.lowering, &values[..]) {
                    (Lowering::Binary(op), [a, b]) => {
                        map2(a.clone(), b.clone(), &|x, y| binary(op, x, y, t))
                    }
                    (Lowering::Unary(op), [a]) => map1(a.clone(), &|x| unary(op, x, t)),
                    (Lowering::Fma, [a, b, c]) => {
                        map3(a.clone(), b.clone(), c.clone(), &|x, y, z| fma(x, y, z, t))
                    }
                    (Lowering::Whole(name), _) => {
                        let params = call.row.params.iter().map(|form| form.with(call.t)).collect();
                        let callee = crate::builtin::Callee { name, params };
                        match self.library_function(&callee) {
                            Some(id) => match self.run(m, id, values, e.span)? {
                                Some(value) => value,
                                None => Value::Parts(Vec::new()),
                            },
                            None => return self.not_constant(e.span, "it calls the library"),
                        }
                    }
                    _ => {
                        let why = format!("`{}` is computed at run time", call.row.name);
                        return self.not_constant(e.span, &why);
                    }
                }
            }
            ExprKind::Intrinsic(..) => {
                return self.not_constant(e.span, "simdgroup matrices exist at run time only");
            }
            ExprKind::Void(a) => {
                self.eval(m, a)?;
                Value::Parts(Vec::new())
            }
        })
    }

    fn read_place(&mut self, m: &mut Machine, e: &Expr) -> Res<Value> {
        if let ExprKind::Temporary(inner) = &e.kind {
            return self.eval(m, inner);
        }
        let pointer = self.place(m, e)?;
        self.read(m, &pointer, e.span)
    }

    fn read(&mut self, m: &Machine, pointer: &Pointer, at: Span) -> Res<Value> {
        let whole;
        let mut value = match pointer.root {
            None => return self.not_constant(at, "it reads through a null pointer"),
            Some(Root::Slot(slot)) => match m.slots.get(slot as usize) {
                Some(value) => value,
                None => return self.not_constant(at, "the object is gone"),
            },
            Some(Root::Global(id)) => {
                whole = self.global_value(id)?;
                &whole
            }
        };
        for &step in &pointer.path {
            value = match value {
                Value::Parts(parts) if (step as usize) < parts.len() => &parts[step as usize],
                _ => return self.not_constant(at, "it reads outside an object"),
            };
        }
        Ok(value.clone())
    }

    /// The address of an object.
    fn place(&mut self, m: &mut Machine, e: &Expr) -> Res<Pointer> {
        self.step(e.span)?;
        match &e.kind {
            ExprKind::Local(LocalId(id)) => match m.base {
                Some(base) => {
                    Ok(Pointer { root: Some(Root::Slot(base as u32 + id)), path: Vec::new() })
                }
                None => {
                    // A constant of the function being analysed.
                    let constant =
                        self.fx.locals.get(*id as usize).and_then(|local| local.constant.clone());
                    match constant {
                        Some(value) => {
                            m.slots.push(value);
                            let root = Some(Root::Slot(m.slots.len() as u32 - 1));
                            Ok(Pointer { root, path: Vec::new() })
                        }
                        None => {
                            let name = self
                                .fx
                                .locals
                                .get(*id as usize)
                                .map_or(String::new(), |local| local.name.clone());
                            let why = format!("`{name}` is not known when the program is compiled");
                            self.not_constant(e.span, &why)
                        }
                    }
                }
            },
            ExprKind::Global(id) => Ok(Pointer { root: Some(Root::Global(*id)), path: Vec::new() }),
            ExprKind::Deref(pointer) => match self.eval(m, pointer)? {
                Value::Pointer(pointer) => Ok(pointer),
                _ => self.not_constant(e.span, "the address is unknown"),
            },
            ExprKind::Field(base, field) => {
                let mut pointer = self.place(m, base)?;
                pointer.path.push(*field);
                Ok(pointer)
            }
            ExprKind::Element(base, index) | ExprKind::Component(base, index) => {
                let scalar = self.scalar_of(index);
                let mut pointer = self.place(m, base)?;
                let index = as_i64(self.bits(m, index)?, scalar);
                match u32::try_from(index) {
                    Ok(index) => pointer.path.push(index),
                    Err(_) => return self.not_constant(e.span, "the index is out of range"),
                }
                Ok(pointer)
            }
            ExprKind::Swizzle(base, parts) if parts.len() == 1 => {
                let mut pointer = self.place(m, base)?;
                pointer.path.push(parts[0].into());
                Ok(pointer)
            }
            ExprKind::Reinterpret(base) if self.types.as_class(base.ty.ty).is_some() => {
                self.place(m, base)
            }
            ExprKind::Temporary(inner) => {
                let value = self.eval(m, inner)?;
                m.slots.push(value);
                Ok(Pointer { root: Some(Root::Slot(m.slots.len() as u32 - 1)), path: Vec::new() })
            }
            ExprKind::Assign(place, _) => {
                self.eval(m, e)?;
                self.place(m, place)
            }
            ExprKind::Update { object, .. } => {
                self.eval(m, e)?;
                self.place(m, object)
            }
            ExprKind::Comma(a, b) => {
                self.eval(m, a)?;
                self.place(m, b)
            }
            _ if !e.lvalue => {
                let value = self.eval(m, e)?;
                m.slots.push(value);
                Ok(Pointer { root: Some(Root::Slot(m.slots.len() as u32 - 1)), path: Vec::new() })
            }
            _ => self.not_constant(e.span, "this object has no known address"),
        }
    }

    fn store(&mut self, m: &mut Machine, place: &Expr, value: Value) -> Res<()> {
        if let (ExprKind::Swizzle(base, parts), Value::Parts(values)) = (&place.kind, &value)
            && parts.len() > 1
        {
            let pointer = self.place(m, base)?;
            for (&part, value) in parts.iter().zip(values) {
                let mut pointer = pointer.clone();
                pointer.path.push(part.into());
                self.write(m, &pointer, value.clone(), place.span)?;
            }
            return Ok(());
        }
        let pointer = self.place(m, place)?;
        self.write(m, &pointer, value, place.span)
    }

    fn write(&mut self, m: &mut Machine, pointer: &Pointer, value: Value, at: Span) -> Res<()> {
        let Some(Root::Slot(slot)) = pointer.root else {
            return self.not_constant(at, "it changes something outside");
        };
        let Some(mut place) = m.slots.get_mut(slot as usize) else {
            return self.not_constant(at, "the object is gone");
        };
        for &step in &pointer.path {
            place = match place {
                Value::Parts(parts) if (step as usize) < parts.len() => &mut parts[step as usize],
                _ => return self.not_constant(at, "it writes outside an object"),
            };
        }
        *place = value;
        Ok(())
    }

    /// Runs a function.
    fn run(&mut self, m: &mut Machine, id: FnId, args: Vec<Value>, at: Span) -> Res<Option<Value>> {
        if m.calls >= MAX_CALLS {
            return self.not_constant(at, "calls nest too deep");
        }
        if self.analyse(id, at.into()).is_err() {
            return self.not_constant(at, "it calls a function that has errors");
        }
        let Some(body) = self.func(id).body.clone() else {
            return self.not_constant(at, "it calls itself while it is being defined");
        };
        let base = m.slots.len();
        for (n, local) in body.locals.iter().enumerate() {
            let value = match args.get(n) {
                Some(value) => value.clone(),
                None => match &local.constant {
                    Some(value) => value.clone(),
                    None => self.zero(local.ty),
                },
            };
            m.slots.push(value);
        }
        let outer = m.base.replace(base);
        m.calls += 1;
        let flow = self.exec_all(m, &body.block);
        m.calls -= 1;
        m.base = outer;
        match flow? {
            Flow::Return(value) => Ok(value),
            Flow::Next | Flow::Break | Flow::Continue => Ok(None),
        }
    }

    fn exec_all(&mut self, m: &mut Machine, block: &[Stmt]) -> Res<Flow> {
        for statement in block {
            match self.exec(m, statement)? {
                Flow::Next => {}
                flow => return Ok(flow),
            }
        }
        Ok(Flow::Next)
    }

    fn exec(&mut self, m: &mut Machine, statement: &Stmt) -> Res<Flow> {
        match statement {
            Stmt::Expr(e) => {
                self.eval(m, e)?;
            }
            Stmt::Local { id, init, span } => {
                let value = match init {
                    Some(init) => Some(self.eval(m, init)?),
                    None => None,
                };
                self.step(*span)?;
                if let (Some(base), Some(value)) = (m.base, value) {
                    m.slots[base + id.0 as usize] = value;
                }
            }
            Stmt::Block(block) => return self.exec_all(m, block),
            Stmt::If { cond, then, otherwise, .. } => {
                let chosen = if self.bits(m, cond)? != 0 { then } else { otherwise };
                return self.exec_all(m, chosen);
            }
            Stmt::Loop { cond, body, step, style, span } => {
                let mut first = *style == LoopForm::Do;
                loop {
                    self.step(*span)?;
                    if !first
                        && let Some(cond) = cond
                        && self.bits(m, cond)? == 0
                    {
                        break;
                    }
                    first = false;
                    match self.exec_all(m, body)? {
                        Flow::Next | Flow::Continue => {}
                        Flow::Break => break,
                        flow @ Flow::Return(_) => return Ok(flow),
                    }
                    if let Some(step) = step {
                        self.eval(m, step)?;
                    }
                }
            }
            Stmt::Switch { value, cases, .. } => {
                let bits = self.bits(m, value)?;
                let start = cases
                    .iter()
                    .position(|case| case.values.contains(&bits))
                    .or_else(|| cases.iter().position(|case| case.default));
                if let Some(start) = start {
                    for case in &cases[start..] {
                        match self.exec_all(m, &case.body)? {
                            Flow::Next => {}
                            Flow::Break => break,
                            flow => return Ok(flow),
                        }
                    }
                }
            }
            Stmt::Break(_) => return Ok(Flow::Break),
            Stmt::Continue(_) => return Ok(Flow::Continue),
            Stmt::Return(value, _) => {
                let value = match value {
                    Some(value) => Some(self.eval(m, value)?),
                    None => None,
                };
                return Ok(Flow::Return(value));
            }
        }
        Ok(Flow::Next)
    }
}

fn map1(a: Value, f: &dyn Fn(u64) -> u64) -> Value {
    match a {
        Value::Bits(a) => Value::Bits(f(a)),
        Value::Parts(parts) => Value::Parts(parts.into_iter().map(|a| map1(a, f)).collect()),
        other => other,
    }
}

fn map2(a: Value, b: Value, f: &dyn Fn(u64, u64) -> u64) -> Value {
    match (a, b) {
        (Value::Bits(a), Value::Bits(b)) => Value::Bits(f(a, b)),
        (Value::Parts(a), Value::Parts(b)) => {
            Value::Parts(a.into_iter().zip(b).map(|(a, b)| map2(a, b, f)).collect())
        }
        (other, _) => other,
    }
}

fn map3(a: Value, b: Value, c: Value, f: &dyn Fn(u64, u64, u64) -> u64) -> Value {
    match (a, b, c) {
        (Value::Bits(a), Value::Bits(b), Value::Bits(c)) => Value::Bits(f(a, b, c)),
        (Value::Parts(a), Value::Parts(b), Value::Parts(c)) => {
            let parts = a.into_iter().zip(b).zip(c);
            Value::Parts(parts.map(|((a, b), c)| map3(a, b, c, f)).collect())
        }
        (other, ..) => other,
    }
}
