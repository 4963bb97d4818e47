//! Calls of library functions as IR.
//!
//! Contract with lowering: arguments have been converted to the types that [`super::Form::with`]
//! gives; references and pointers are addresses; orders, scopes and flags are constants.

use super::{Concrete, Lowering, Row, Scope as Who, Shape};
use crate::ir::{
    Access, Builder, FuncId, MemFlags, Op, Order, Scalar, Scope, ShuffleOp, Type, UnaryOp, ValueId,
    VoteOp, Width,
};

/// An argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arg {
    /// A value.
    Value(ValueId),
    /// The value of an enumerator.
    Constant(u64),
}

/// A function of the prelude's namespace `metal::__detail`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Callee {
    /// Its name.
    pub name: &'static str,
    /// The types of its arguments.
    pub params: Vec<Concrete>,
}

/// Adds the operations of a call and returns its result, if it has one.
///
/// `function` finds a function of the prelude; nothing if it could not be compiled, and then the
/// call gives nothing.
pub fn emit(
    builder: &mut Builder<'_>,
    row: &Row,
    t: Shape,
    args: &[Arg],
    function: &mut dyn FnMut(&mut Builder<'_>, Callee) -> Option<FuncId>,
) -> Option<ValueId> {
    let result = match row.result.with(t) {
        Concrete::Value(shape) => Some(builder.module.types.vector(shape.scalar, shape.width)),
        _ => None,
    };
    let values: Vec<ValueId> = args
        .iter()
        .filter_map(|arg| match arg {
            Arg::Value(value) => Some(*value),
            Arg::Constant(_) => None,
        })
        .collect();
    let constants: Vec<u64> = args
        .iter()
        .filter_map(|arg| match arg {
            Arg::Constant(value) => Some(*value),
            Arg::Value(_) => None,
        })
        .collect();
    let constant = |index: usize| constants.get(index).copied();
    match (row.lowering, values.as_slice()) {
        (Lowering::Unary(UnaryOp::Abs), &[a]) if !t.scalar.is_float() && !t.scalar.is_signed() => {
            Some(a)
        }
        (Lowering::Unary(op), &[a]) => Some(builder.unary(op, a)),
        (Lowering::Binary(op), &[a, b]) => Some(builder.binary(op, a, b)),
        (Lowering::Compare(op), &[a]) => Some(builder.compare(op, a, a)),
        (Lowering::Compare(op), &[a, b]) => Some(builder.compare(op, a, b)),
        (Lowering::Fma, &[a, b, c]) => Some(builder.fma(a, b, c)),
        (Lowering::Select, &[a, b, c]) => Some(builder.select(c, b, a)),
        (Lowering::Scalar(name), _) => by_component(builder, row, t, name, &values, function),
        (Lowering::Whole(name), _) => {
            let params = row.params.iter().map(|form| form.with(t)).collect();
            let callee = function(builder, Callee { name, params })?;
            builder.call(callee, &values, result)
        }
        (Lowering::Reduce(op, width), &[value]) => {
            Some(in_float(builder, value, |builder, value| {
                let ty = builder.ty(value);
                builder.emit(Op::Reduce { op, width, value }, ty)
            }))
        }
        (Lowering::Scan(op, width), &[value]) => {
            Some(in_float(builder, value, |builder, value| {
                let ty = builder.ty(value);
                builder.emit(Op::Scan { op, width, value }, ty)
            }))
        }
        (Lowering::Shuffle(op, width), &[value, lane]) => {
            result.map(|ty| builder.emit(Op::Shuffle { op, width, value, lane }, ty))
        }
        (Lowering::ShuffleFill(op, width), &[value, fill, lane, ref modulo @ ..]) => {
            let modulo = modulo.first().copied().unwrap_or_else(|| {
                let lanes = if width == Width::Simd { 32 } else { 4 };
                builder.constant(lanes, Type::U16)
            });
            debug_assert!(matches!(op, ShuffleOp::Up | ShuffleOp::Down));
            let op = Op::ShuffleFill { op, width, value, fill, lane, modulo };
            result.map(|ty| builder.emit(op, ty))
        }
        (Lowering::BroadcastFirst(width), &[value]) => {
            result.map(|ty| builder.emit(Op::BroadcastFirst { width, value }, ty))
        }
        (Lowering::Attribute(attribute), _) => {
            let value = builder.emit(Op::Attribute(attribute), Type::U32);
            Some(builder.convert(value, Type::U16))
        }
        (Lowering::Vote(op, width), values) => {
            let value = match values.first() {
                Some(&value) => value,
                None => builder.bool(true),
            };
            let ty = if op == VoteOp::Ballot { Type::U64 } else { Type::BOOL };
            Some(builder.emit(Op::Vote { op, width, value }, ty))
        }
        (Lowering::AtomicLoad, &[ptr]) => {
            let access = Access::atomic(order(constant(0)), Scope::Device);
            result.map(|ty| builder.load(ptr, ty, access))
        }
        (Lowering::AtomicStore, &[ptr, value]) => {
            builder.store(ptr, value, Access::atomic(order(constant(0)), Scope::Device));
            None
        }
        (Lowering::AtomicRmw(op) | Lowering::AtomicUpdate(op), &[ptr, value]) => {
            let access = Access::atomic(order(constant(0)), Scope::Device);
            let ty = builder.ty(value);
            let old = builder.emit(Op::AtomicRmw { op, ptr, value, access }, ty);
            matches!(row.lowering, Lowering::AtomicRmw(_)).then_some(old)
        }
        (Lowering::AtomicCompareExchange, &[ptr, place, desired]) => {
            let ty = builder.ty(desired);
            let expected = builder.load(place, ty, Access::PLAIN);
            let access = Access::atomic(order(constant(0)), Scope::Device);
            let op = Op::AtomicCmpXchg { ptr, expected, desired, access };
            let exchange = builder.push(op, &[ty, Type::BOOL]);
            let mut results = builder.function.inst(exchange).result_ids();
            let old = results.next()?;
            // Where it was exchanged this changes nothing.
            builder.store(place, old, Access::PLAIN);
            results.next()
        }
        (Lowering::Fence, _) => {
            let flags = flags(constant(0));
            let scope = constant(2).map_or(Scope::Device, |value| scope(Some(value)));
            builder.push(Op::Fence { flags, order: order(constant(1)), scope }, &[]);
            None
        }
        (Lowering::Barrier(who), _) => {
            let exec = match who {
                Who::Threadgroup => Scope::Threadgroup,
                Who::Simdgroup => Scope::Simdgroup,
            };
            let scope = constant(1).map_or(Scope::Threadgroup, |value| scope(Some(value)));
            builder.push(Op::Barrier { exec, flags: flags(constant(0)), scope }, &[]);
            None
        }
        _ => None,
    }
}

/// Calls a function on float scalars for each component.
fn by_component(
    builder: &mut Builder<'_>,
    row: &Row,
    t: Shape,
    name: &'static str,
    args: &[ValueId],
    function: &mut dyn FnMut(&mut Builder<'_>, Callee) -> Option<FuncId>,
) -> Option<ValueId> {
    let widened = |shape: Shape| Shape {
        scalar: if shape.scalar.is_float() { Scalar::F32 } else { shape.scalar },
        width: 1,
    };
    let params: Vec<Concrete> = row
        .params
        .iter()
        .map(|form| match form.with(t) {
            Concrete::Value(shape) => Concrete::Value(widened(shape)),
            other => other,
        })
        .collect();
    let Concrete::Value(result) = row.result.with(t) else { return None };
    let computed = Type::scalar(widened(result).scalar);
    let callee = function(builder, Callee { name, params })?;
    let mut parts = Vec::with_capacity(t.width.into());
    for index in 0..t.width {
        let mut scalars = Vec::with_capacity(args.len());
        for &arg in args {
            let part = if t.width == 1 { arg } else { builder.extract(arg, index) };
            let is_float = [Type::F16, Type::BF16].contains(&builder.ty(part));
            scalars.push(if is_float { builder.convert(part, Type::F32) } else { part });
        }
        let value = builder.call(callee, &scalars, Some(computed))?;
        parts.push(builder.convert(value, Type::scalar(result.scalar)));
    }
    match parts.as_slice() {
        [single] => Some(*single),
        parts => Some(builder.vector(parts)),
    }
}

/// Applies an operation, to half and bfloat in float.
fn in_float(
    builder: &mut Builder<'_>,
    value: ValueId,
    operation: impl FnOnce(&mut Builder<'_>, ValueId) -> ValueId,
) -> ValueId {
    let ty = builder.ty(value);
    match builder.module.types.components(ty) {
        Some((Scalar::F16 | Scalar::BF16, width)) => {
            let float = builder.module.types.vector(Scalar::F32, width);
            let value = builder.convert(value, float);
            let result = operation(builder, value);
            builder.convert(result, ty)
        }
        _ => operation(builder, value),
    }
}

/// The prelude's `memory_order`, by its enumerators' values.
fn order(value: Option<u64>) -> Order {
    match value {
        Some(2) => Order::Acquire,
        Some(3) => Order::Release,
        Some(4) => Order::AcqRel,
        Some(5) => Order::SeqCst,
        _ => Order::Relaxed,
    }
}

/// The prelude's `thread_scope`, by its enumerators' values.
fn scope(value: Option<u64>) -> Scope {
    match value {
        Some(0) => Scope::Thread,
        Some(1) => Scope::Simdgroup,
        Some(2) => Scope::Threadgroup,
        _ => Scope::Device,
    }
}

/// The prelude's `mem_flags`, by its enumerators' values.
fn flags(value: Option<u64>) -> MemFlags {
    MemFlags(value.unwrap_or(0) as u8 & 7)
}
