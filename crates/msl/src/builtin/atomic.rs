//! Atomic functions.

use super::Form::{Atomic, AtomicConst, Is, Order, Pointer, T, Void};
use super::Lowering::{AtomicCompareExchange, AtomicLoad, AtomicRmw, AtomicStore, AtomicUpdate};
use super::{Accuracy, Form, Lowering, Row, Spaces, Types, Widths};
use crate::ir::{AtomicOp, Scalar};

const fn row(name: &'static str, types: Types, params: &'static [Form], lowering: Lowering) -> Row {
    Row {
        name,
        spaces: Spaces::METAL,
        types,
        widths: Widths::One,
        params,
        result: T,
        lowering,
        accuracy: Accuracy::Exact,
    }
}

const fn update(name: &'static str, types: Types, op: AtomicOp) -> Row {
    row(name, types, &[Atomic, T, Order], AtomicRmw(op))
}

const INTS: Types = Types::of(Scalar::I32).and(Types::of(Scalar::U32)).and(LONGS);
const LONGS: Types = Types::of(Scalar::I64).and(Types::of(Scalar::U64));
const NUMBERS: Types = INTS.and(Types::of(Scalar::F32));
const CELLS: Types = NUMBERS.and(Types::BOOL);

pub(super) const ROWS: &[Row] = &[
    row("atomic_load_explicit", CELLS, &[AtomicConst, Order], AtomicLoad),
    Row { result: Void, ..row("atomic_store_explicit", CELLS, &[Atomic, T, Order], AtomicStore) },
    update("atomic_exchange_explicit", NUMBERS, AtomicOp::Exchange),
    Row {
        result: Is(Scalar::Bool),
        ..row(
            "atomic_compare_exchange_weak_explicit",
            NUMBERS,
            &[Atomic, Pointer, T, Order, Order],
            AtomicCompareExchange,
        )
    },
    update("atomic_fetch_add_explicit", NUMBERS, AtomicOp::Add),
    update("atomic_fetch_sub_explicit", NUMBERS, AtomicOp::Sub),
    update("atomic_fetch_max_explicit", NUMBERS, AtomicOp::Max),
    update("atomic_fetch_min_explicit", NUMBERS, AtomicOp::Min),
    update("atomic_fetch_and_explicit", INTS, AtomicOp::And),
    update("atomic_fetch_or_explicit", INTS, AtomicOp::Or),
    update("atomic_fetch_xor_explicit", INTS, AtomicOp::Xor),
    // Metal's 64-bit forms give no old value back.
    Row {
        result: Void,
        ..row("atomic_max_explicit", LONGS, &[Atomic, T, Order], AtomicUpdate(AtomicOp::Max))
    },
    Row {
        result: Void,
        ..row("atomic_min_explicit", LONGS, &[Atomic, T, Order], AtomicUpdate(AtomicOp::Min))
    },
];
