//! The CPU back end: primitives on host memory by the kernels of `anymetal-kernels`, at once.

use anymetal_kernels::copy::Scalar;
use anymetal_kernels::index::OutOfRange;
use anymetal_kernels::{Slice, copy, elementwise, index, matmul, random, reduce};
use smallvec::SmallVec;

use super::{Backend, Buffer, BufferMut, Event, Inputs, Launched, Primitive, Space, Spec, View};
use crate::error::{Error, Result};
use crate::{Dtype, Layout};

/// The CPU.
pub(crate) struct Cpu;

impl Backend for Cpu {
    fn name(&self) -> &str {
        "cpu"
    }

    fn space(&self) -> Space {
        Space::HOST
    }

    fn launch(
        &self,
        primitive: &Primitive,
        mut inputs: Inputs,
        outputs: &[Spec],
    ) -> Result<Launched> {
        // Here and below loops stand for `collect`, which is slower.
        let mut buffers = SmallVec::new();
        for out in run(primitive, &mut inputs, outputs)? {
            buffers.push(out.freeze());
        }
        Ok(Launched { buffers, event: None })
    }

    fn upload(&self, host: &Buffer) -> Result<(Buffer, Option<Event>)> {
        Ok((host.clone(), None))
    }

    fn download(&self, buffer: &Buffer) -> Result<Buffer> {
        Ok(buffer.clone())
    }
}

type Outputs = SmallVec<[BufferMut; 1]>;

fn run(primitive: &Primitive, inputs: &mut Inputs, specs: &[Spec]) -> Result<Outputs> {
    // Updates in place need the first input by value, before the others are borrowed.
    match primitive {
        Primitive::Assemble { layouts, base } => {
            let base = if *base { Some(inputs.remove(0)) } else { None };
            return assemble(base, inputs, layouts, &specs[0]).map(|b| SmallVec::from_iter([b]));
        }
        Primitive::Scatter { op, axes } => {
            let mut out = writable(inputs.remove(0), &specs[0])?;
            let updates = inputs.remove(0);
            index::scatter(
                *op,
                out.slice_mut(specs[0].dtype),
                &specs[0].shape,
                &indices(inputs)?,
                axes,
                updates.slice()?,
                &updates.layout,
            )
            .map_err(|e| out_of_range("scatter", e))?;
            return Ok(SmallVec::from_iter([out]));
        }
        Primitive::Unary(op) if reusable(&inputs[0], &specs[0]) => {
            let x = inputs.remove(0);
            return in_place(x, &specs[0], |out| {
                elementwise::unary_inplace(*op, out.slice_mut(specs[0].dtype));
                Ok(())
            });
        }
        Primitive::Binary(op) if op.output(inputs[0].dtype) == inputs[0].dtype => {
            for (i, reversed) in [(0, false), (1, true)] {
                if reusable(&inputs[i], &specs[0]) {
                    let own = inputs.remove(i);
                    let other = inputs.remove(0);
                    return in_place(own, &specs[0], |out| {
                        let out = out.slice_mut(specs[0].dtype);
                        let (x, l) = (other.slice()?, &other.layout);
                        elementwise::binary_inplace(*op, out, x, l, reversed);
                        Ok(())
                    });
                }
            }
        }
        _ => {}
    }
    let mut outs = Outputs::new();
    for spec in specs {
        outs.push(allocate(spec)?);
    }
    #[cfg(feature = "metal-kernels")]
    if let Primitive::Kernel(launch) = primitive {
        launch.run(inputs, specs, &mut outs)?;
        return Ok(outs);
    }
    if specs.iter().all(|s| s.shape.contains(&0)) {
        return Ok(outs);
    }
    let mut x: SmallVec<[Slice<'_>; 4]> = SmallVec::new();
    for view in inputs.iter() {
        x.push(view.slice()?);
    }
    let l = |i: usize| &inputs[i].layout;
    let out = outs[0].slice_mut(specs[0].dtype);
    match primitive {
        Primitive::Copy => copy::copy(x[0], l(0), out),
        Primitive::Arange { start, step } => {
            let (start, step) = (*start, *step);
            let whole = start.fract() == 0.0 && step.fract() == 0.0;
            if specs[0].dtype.is_float() || !whole {
                copy::arange(Scalar::Float(start), Scalar::Float(step), out);
            } else {
                copy::arange(Scalar::Int(start as i64), Scalar::Int(step as i64), out);
            }
        }
        Primitive::Unary(op) => elementwise::unary(*op, x[0], l(0), out),
        Primitive::Binary(op) => elementwise::binary(*op, x[0], l(0), x[1], l(1), out),
        Primitive::Select => elementwise::select(x[0], l(0), x[1], l(1), x[2], l(2), out),
        Primitive::Reduce { op, axes } => reduce::reduce(*op, x[0], l(0), axes, out),
        Primitive::ArgReduce { op, axis } => {
            if let crate::SliceMut::U32(out) = out {
                reduce::arg_reduce(*op, x[0], l(0), *axis, out);
            }
        }
        Primitive::Softmax => reduce::softmax(x[0], l(0), out),
        Primitive::Matmul => matmul::matmul(x[0], l(0), x[1], l(1), out),
        Primitive::Gather { axes, sizes } => {
            index::gather(x[0], l(0), &indices(&inputs[1..])?, axes, sizes, out)
                .map_err(|e| out_of_range("gather", e))?;
        }
        Primitive::RandomBits => random_bits(x[0], l(0), out)?,
        Primitive::Assemble { .. } | Primitive::Scatter { .. } => {
            unreachable!("handled above, where the first input is taken by value")
        }
        _ => super::cpu_fast::run(primitive, inputs, &x, specs, &mut outs)?,
    }
    Ok(outs)
}

fn allocate(spec: &Spec) -> Result<BufferMut> {
    match spec.bytes() {
        Some(bytes) => BufferMut::new(bytes),
        None => Err(Error::Memory {
            requested: usize::MAX,
            reason: "the array is larger than the address space".into(),
        }),
    }
}

/// Whether an input's memory could become the output's, if nobody else holds it.
fn reusable(view: &View, spec: &Spec) -> bool {
    view.dtype == spec.dtype
        && view.layout.offset == 0
        && view.layout.shape == spec.shape
        && view.layout.is_contiguous()
        && Some(view.buffer.len()) == spec.bytes()
}

fn in_place(
    view: View,
    spec: &Spec,
    f: impl FnOnce(&mut BufferMut) -> Result<()>,
) -> Result<Outputs> {
    let mut out = writable(view, spec)?;
    if !spec.shape.contains(&0) {
        f(&mut out)?;
    }
    Ok(SmallVec::from_iter([out]))
}

/// The view's elements in memory of one's own: the view's if nobody else holds it, else a copy.
fn writable(view: View, spec: &Spec) -> Result<BufferMut> {
    if !reusable(&view, spec) {
        let mut out = allocate(spec)?;
        copy::copy(view.slice()?, &view.layout, out.slice_mut(spec.dtype));
        return Ok(out);
    }
    let View { buffer, dtype, layout } = view;
    match buffer.try_into_mut() {
        Ok(own) => Ok(own),
        Err(buffer) => {
            let mut out = allocate(spec)?;
            let view = View { buffer, dtype, layout };
            copy::copy(view.slice()?, &view.layout, out.slice_mut(spec.dtype));
            Ok(out)
        }
    }
}

fn assemble(
    base: Option<View>,
    pieces: &[View],
    layouts: &[Layout],
    spec: &Spec,
) -> Result<BufferMut> {
    let mut out = match base {
        Some(base) => writable(base, spec)?,
        None => allocate(spec)?,
    };
    for (piece, layout) in pieces.iter().zip(layouts) {
        copy::copy_into(piece.slice()?, &piece.layout, out.slice_mut(spec.dtype), layout);
    }
    Ok(out)
}

fn indices(views: &[View]) -> Result<SmallVec<[anymetal_kernels::View<'_>; 4]>> {
    views.iter().map(|v| Ok(anymetal_kernels::View::new(v.slice()?, &v.layout))).collect()
}

fn out_of_range(op: &'static str, e: OutOfRange) -> Error {
    Error::Index {
        op,
        message: format!(
            "Index {} is out of bounds for axis {} with {} places.",
            e.index, e.axis, e.places
        ),
        index: e.index,
        size: e.places,
    }
}

/// One stream of bits per key; keys are rows of two words.
fn random_bits(keys: Slice<'_>, layout: &Layout, out: crate::SliceMut<'_>) -> Result<()> {
    let mut words = vec![0u32; layout.len()];
    copy::copy(keys, layout, crate::SliceMut::U32(&mut words));
    let crate::SliceMut::U32(out) = out else {
        return Err(Error::dtype("bits", "The output must be uint32.", &[Dtype::U32]));
    };
    let streams = words.len() / 2;
    let n = out.len() / streams.max(1);
    if n > 0 {
        for (key, out) in words.chunks_exact(2).zip(out.chunks_exact_mut(n)) {
            random::bits([key[0], key[1]], out);
        }
    }
    Ok(())
}
