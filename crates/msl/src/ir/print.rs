//! The text form, printed.
//!
//! Values and regions are numbered in the order of appearance, so the text does not depend on
//! how the arenas were filled, and parsing then printing gives the same text again.

use std::fmt::Write;

use super::*;

/// The whole module as text.
pub fn print(module: &Module) -> String {
    let mut out = String::new();
    for (i, structure) in module.types.structs().iter().enumerate() {
        let keyword = if structure.is_union { "union" } else { "struct" };
        let (name, size, align) = (&structure.name, structure.size, structure.align);
        let _ = write!(out, "{keyword} ${i} {name:?} size {size} align {align} {{");
        for (k, field) in structure.fields.iter().enumerate() {
            let comma = if k == 0 { "" } else { "," };
            let ty = type_text(module, field.ty);
            let _ = write!(out, "{comma} {:?}: {ty} @{}", field.name, field.offset);
        }
        out.push_str(" }\n");
    }
    for (i, global) in module.globals.iter().enumerate() {
        let ty = type_text(module, global.ty);
        let _ = write!(out, "global {i} {:?} {} {ty}", global.name, global.space.name());
        if !global.bytes.is_empty() {
            out.push_str(" = x");
            for byte in &global.bytes {
                let _ = write!(out, "{byte:02x}");
            }
        }
        out.push_str(&span_text(global.span));
        out.push('\n');
    }
    for (i, function) in module.functions.iter().enumerate() {
        print_function(module, function, i, &mut out);
    }
    for kernel in &module.kernels {
        let _ = write!(out, "kernel {:?} fn {}", kernel.name, kernel.function.0);
        if let Some(threads) = kernel.max_threads {
            let _ = write!(out, " max_threads {threads}");
        }
        out.push_str(" (");
        for (i, param) in kernel.params.iter().enumerate() {
            let comma = if i == 0 { "" } else { ", " };
            let (kind, index) = match param.binding {
                Binding::Buffer(index) => ("buffer", index),
                Binding::Threadgroup(index) => ("threadgroup", index),
            };
            let element = type_text(module, param.element);
            let _ = write!(out, "{comma}{kind} {index} {:?} {element}", param.name);
            out.push_str(if param.writable { " writable" } else { "" });
            out.push_str(if param.reference { " reference" } else { "" });
        }
        out.push_str(")\n");
    }
    out
}

/// A type as Metal Shading Language writes it, for messages to people.
pub fn source_text(module: &Module, ty: Type) -> String {
    match module.types.kind(ty) {
        TypeKind::Scalar(s) => s.source_name().to_string(),
        TypeKind::Vector(s, n) => format!("{}{n}", s.source_name()),
        TypeKind::Packed(s, n) => format!("packed_{}{n}", s.source_name()),
        TypeKind::Struct(id) => module.types.structure(id).name.clone(),
        TypeKind::Array(element, n) => format!("{}[{n}]", source_text(module, element)),
        _ => type_text(module, ty),
    }
}

/// A type as it stands in the text form.
pub fn type_text(module: &Module, ty: Type) -> String {
    match module.types.kind(ty) {
        TypeKind::Scalar(scalar) => scalar.name().to_string(),
        TypeKind::Void => "void".to_string(),
        TypeKind::Vector(scalar, n) => format!("{}x{n}", scalar.name()),
        TypeKind::Packed(scalar, n) => format!("packed_{}x{n}", scalar.name()),
        TypeKind::Array(element, n) => format!("[{n} x {}]", type_text(module, element)),
        TypeKind::Struct(id) => format!("${}", id.0),
        TypeKind::Pointer(space, pointee) => {
            format!("ptr<{}, {}>", space.name(), type_text(module, pointee))
        }
        TypeKind::SimdMatrix(scalar) => format!("simdmat<{}>", scalar.name()),
    }
}

/// A constant of a component type as text that parses to the same bits.
pub fn constant_text(scalar: Option<Scalar>, bits: u64) -> String {
    let float = match scalar {
        None => return bits.to_string(),
        Some(Scalar::Bool) => return (bits != 0).to_string(),
        Some(Scalar::I8) => return (bits as i8).to_string(),
        Some(Scalar::I16) => return (bits as i16).to_string(),
        Some(Scalar::I32) => return (bits as i32).to_string(),
        Some(Scalar::I64) => return (bits as i64).to_string(),
        Some(Scalar::U8 | Scalar::U16 | Scalar::U32 | Scalar::U64) => return bits.to_string(),
        Some(Scalar::F16) => half::f16::from_bits(bits as u16).to_f32(),
        Some(Scalar::BF16) => half::bf16::from_bits(bits as u16).to_f32(),
        Some(Scalar::F32) => f32::from_bits(bits as u32),
    };
    if float.is_finite() { format!("{float:?}") } else { format!("{bits:#x}") }
}

fn print_function(module: &Module, function: &Function, index: usize, out: &mut String) {
    let mut printer = Printer {
        module,
        function,
        out,
        values: vec![u32::MAX; function.values.len()],
        next_value: 0,
        regions: vec![u32::MAX; function.regions.len()],
        next_region: 0,
    };
    printer.region(RegionId(0));
    let _ = write!(printer.out, "fn {index} {:?} (", function.name);
    for (i, param) in function.params.iter().enumerate() {
        let comma = if i == 0 { "" } else { ", " };
        let number = printer.define(param.value);
        let ty = type_text(module, function.ty(param.value));
        let passing = match param.passing {
            Passing::Value => "",
            Passing::ByValue => "byval ",
            Passing::Result => "sret ",
        };
        let _ = write!(printer.out, "{comma}%{number}: {passing}{ty} {:?}", param.name);
    }
    printer.out.push(')');
    if let Some(ty) = function.result {
        let _ = write!(printer.out, " -> {}", type_text(module, ty));
    }
    let _ = writeln!(printer.out, "{} {{", span_text(function.span));
    for (i, site) in function.inline_sites.iter().enumerate() {
        let _ = write!(printer.out, "  inline {i} {:?} !{}", site.callee, site.at.0);
        if let Some(parent) = site.parent {
            let _ = write!(printer.out, "<{}", parent.0);
        }
        printer.out.push('\n');
    }
    printer.block(function.body, 1);
    printer.out.push_str("}\n");
}

fn span_text(span: Span) -> String {
    if span == Span::NONE { String::new() } else { format!(" !{}", span.0) }
}

struct Printer<'a> {
    module: &'a Module,
    function: &'a Function,
    out: &'a mut String,
    values: Vec<u32>,
    next_value: u32,
    regions: Vec<u32>,
    next_region: u32,
}

impl Printer<'_> {
    fn define(&mut self, value: ValueId) -> u32 {
        self.values[value.index()] = self.next_value;
        self.next_value += 1;
        self.next_value - 1
    }

    fn region(&mut self, region: RegionId) -> String {
        let slot = &mut self.regions[region.index()];
        if *slot == u32::MAX {
            *slot = self.next_region;
            self.next_region += 1;
        }
        format!("^{slot}")
    }

    fn v(&self, value: ValueId) -> String {
        match self.values.get(value.index()) {
            Some(&number) if number != u32::MAX => format!("%{number}"),
            // Only unverified functions get here; the text then fails to parse, as it should.
            _ => format!("%undefined{}", value.0),
        }
    }

    fn list(&self, values: &[ValueId]) -> String {
        values.iter().map(|&value| self.v(value)).collect::<Vec<_>>().join(", ")
    }

    fn trailing(&self, values: ValueList) -> String {
        self.function.list(values).iter().map(|&value| format!(", {}", self.v(value))).collect()
    }

    fn params(&mut self, params: &[ValueId]) -> String {
        let mut parts = Vec::new();
        for &param in params {
            let ty = type_text(self.module, self.function.ty(param));
            parts.push(format!("%{}: {ty}", self.define(param)));
        }
        if parts.is_empty() { String::new() } else { format!("({}) ", parts.join(", ")) }
    }

    fn block(&mut self, block: BlockId, depth: usize) {
        for &inst in &self.function.block(block).insts {
            self.inst(inst, depth);
        }
    }

    fn inst(&mut self, id: InstId, depth: usize) {
        let inst = self.function.inst(id);
        // Operands are printed before the results are numbered: a result is not its own operand.
        let head = self.head(&inst.op, inst);
        let results: Vec<String> = inst
            .result_ids()
            .map(|value| {
                let ty = type_text(self.module, self.function.ty(value));
                format!("%{}: {ty}", self.define(value))
            })
            .collect();
        let indent = "  ".repeat(depth);
        self.out.push_str(&indent);
        if !results.is_empty() {
            self.out.push_str(&results.join(", "));
            self.out.push_str(" = ");
        }
        self.out.push_str(&head);
        self.out.push_str(&span_text(inst.span));
        if let Some(site) = inst.inlined {
            if inst.span == Span::NONE {
                self.out.push_str(" !0");
            }
            let _ = write!(self.out, "<{}", site.0);
        }
        self.parts(&inst.op, depth);
        self.out.push('\n');
    }

    fn parts(&mut self, op: &Op, depth: usize) {
        let indent = "  ".repeat(depth);
        match *op {
            Op::Block { body, .. } => {
                self.out.push_str(" {\n");
                self.block(body, depth + 1);
                let _ = write!(self.out, "{indent}}}");
            }
            Op::If { then, otherwise, .. } => {
                self.out.push_str(" {\n");
                self.block(then, depth + 1);
                let _ = write!(self.out, "{indent}}}");
                if !self.function.block(otherwise).insts.is_empty() {
                    self.out.push_str(" else {\n");
                    self.block(otherwise, depth + 1);
                    let _ = write!(self.out, "{indent}}}");
                }
            }
            Op::Loop(id) => {
                let parts = self.function.loop_parts(id);
                let header = self.params(&self.function.block(parts.header).params);
                let _ = writeln!(self.out, " {header}{{");
                self.block(parts.header, depth + 1);
                let _ = writeln!(self.out, "{indent}}} body {{");
                self.block(parts.body, depth + 1);
                let next = self.params(&self.function.block(parts.next).params);
                let _ = writeln!(self.out, "{indent}}} next {next}{{");
                self.block(parts.next, depth + 1);
                let _ = write!(self.out, "{indent}}}");
            }
            Op::Switch(id) => {
                let switch = self.function.switch(id);
                let scalar = self.scalar(switch.selector);
                self.out.push_str(" {\n");
                for case in &switch.cases {
                    let values: Vec<String> =
                        case.values.iter().map(|&bits| constant_text(scalar, bits)).collect();
                    let default = if case.default { " default" } else { "" };
                    let space = if values.is_empty() { "" } else { " " };
                    let values = values.join(", ");
                    let _ = writeln!(self.out, "{indent}case{space}{values}{default} {{");
                    self.block(case.block, depth + 1);
                    let _ = writeln!(self.out, "{indent}}}");
                }
                let _ = write!(self.out, "{indent}}}");
            }
            _ => {}
        }
    }

    fn scalar(&self, value: ValueId) -> Option<Scalar> {
        self.module.types.components(self.function.ty(value)).map(|(scalar, _)| scalar)
    }

    fn head(&mut self, op: &Op, inst: &Inst) -> String {
        let ty = |ty| type_text(self.module, ty);
        match *op {
            Op::Const(bits) => {
                let scalar = match self.module.types.kind(self.function.ty(inst.first_result)) {
                    TypeKind::SimdMatrix(scalar) => Some(scalar),
                    _ => self.scalar(inst.first_result),
                };
                format!("const {}", constant_text(scalar, bits))
            }
            Op::Var(local) => {
                let local = &self.function.locals[local.index()];
                match &local.type_name {
                    Some(alias) => format!("var {:?} as {alias:?}", local.name),
                    None => format!("var {:?}", local.name),
                }
            }
            Op::Global(id) => format!("global {}", id.0),
            Op::Element { ptr, ty: element, index } => {
                format!("element {}, {}, {}", self.v(ptr), ty(element), self.v(index))
            }
            Op::Field { ptr, structure, field } => {
                format!("field {}, ${}, {field}", self.v(ptr), structure.0)
            }
            Op::PtrCast(a) => format!("ptr_cast {}", self.v(a)),
            Op::PtrDiff { a, b, ty: element } => {
                format!("ptr_diff {}, {}, {}", self.v(a), self.v(b), ty(element))
            }
            Op::Load { ptr, access } => format!("load {}{}", self.v(ptr), access_text(access)),
            Op::Store { ptr, value, access } => {
                format!("store {}, {}{}", self.v(ptr), self.v(value), access_text(access))
            }
            Op::Copy { dst, src, ty: what } => {
                format!("copy {}, {}, {}", self.v(dst), self.v(src), ty(what))
            }
            Op::Zero { ptr, ty: what } => format!("zero {}, {}", self.v(ptr), ty(what)),
            Op::AtomicRmw { op, ptr, value, access } => {
                let access = access_text(access);
                format!("atomic.{} {}, {}{access}", op.name(), self.v(ptr), self.v(value))
            }
            Op::AtomicCmpXchg { ptr, expected, desired, access } => {
                let values = self.list(&[ptr, expected, desired]);
                format!("atomic.cmpxchg {values}{}", access_text(access))
            }
            Op::Fence { flags, order, scope } => {
                format!("fence {} {}.{}", flags_text(flags), order.name(), scope.name())
            }
            Op::Barrier { exec, flags, scope } => {
                format!("barrier {} {} {}", exec.name(), flags_text(flags), scope.name())
            }
            Op::Unary(op, a) => format!("{} {}", op.name(), self.v(a)),
            Op::Binary(op, a, b) => format!("{} {}", op.name(), self.list(&[a, b])),
            Op::Compare(op, a, b) => format!("cmp.{} {}", op.name(), self.list(&[a, b])),
            Op::Fma(a, b, c) => format!("fma {}", self.list(&[a, b, c])),
            Op::Select { cond, a, b } => format!("select {}", self.list(&[cond, a, b])),
            Op::Convert(a) => format!("convert {}", self.v(a)),
            Op::Bitcast(a) => format!("bitcast {}", self.v(a)),
            Op::Vector(list) => format!("vector {}", self.list(self.function.list(list))),
            Op::Splat(a) => format!("splat {}", self.v(a)),
            Op::Extract { vector, index } => format!("extract {}, {index}", self.v(vector)),
            Op::ExtractAt { vector, index } => {
                format!("extract_at {}", self.list(&[vector, index]))
            }
            Op::Insert { vector, index, value } => {
                format!("insert {}, {index}, {}", self.v(vector), self.v(value))
            }
            Op::InsertAt { vector, index, value } => {
                format!("insert_at {}", self.list(&[vector, index, value]))
            }
            Op::Swizzle { a, b, lanes } => {
                let result = self.module.types.components(self.function.ty(inst.first_result));
                let count = result.map_or(0, |(_, n)| n as usize).min(4);
                format!("swizzle {}, {:?}", self.list(&[a, b]), &lanes[..count])
            }
            Op::Attribute(attribute) => format!("attribute {}", attribute.name()),
            Op::Reduce { op, width, value } => {
                format!("reduce.{}.{} {}", op.name(), width.name(), self.v(value))
            }
            Op::Scan { op, width, value } => {
                format!("scan.{}.{} {}", op.name(), width.name(), self.v(value))
            }
            Op::Shuffle { op, width, value, lane } => {
                format!("shuffle.{}.{} {}", op.name(), width.name(), self.list(&[value, lane]))
            }
            Op::ShuffleFill { op, width, value, fill, lane, modulo } => {
                let values = self.list(&[value, fill, lane, modulo]);
                format!("shuffle_fill.{}.{} {values}", op.name(), width.name())
            }
            Op::BroadcastFirst { width, value } => {
                format!("broadcast_first.{} {}", width.name(), self.v(value))
            }
            Op::Vote { op, width, value } => {
                format!("vote.{}.{} {}", op.name(), width.name(), self.v(value))
            }
            Op::MatrixLoad { ptr, stride, transpose } => {
                format!("matrix_load {}{}", self.list(&[ptr, stride]), transpose_text(transpose))
            }
            Op::MatrixStore { ptr, value, stride, transpose } => {
                let values = self.list(&[ptr, value, stride]);
                format!("matrix_store {values}{}", transpose_text(transpose))
            }
            Op::MatrixDiagonal(a) => format!("matrix_diagonal {}", self.v(a)),
            Op::MatrixMulAdd { a, b, c } => format!("matrix_mul_add {}", self.list(&[a, b, c])),
            Op::Call { function, args } => {
                format!("call {} ({})", function.0, self.list(self.function.list(args)))
            }
            Op::Block { region, style, .. } => {
                let style = match style {
                    BlockStyle::Plain => "",
                    BlockStyle::For => " for",
                    BlockStyle::Inlined => " inlined",
                };
                format!("block {}{style}", self.region(region))
            }
            Op::If { region, cond, .. } => format!("if {} {}", self.region(region), self.v(cond)),
            Op::Loop(id) => {
                let parts = self.function.loop_parts(id);
                let style = match parts.style {
                    LoopStyle::For => "for",
                    LoopStyle::While => "while",
                    LoopStyle::DoWhile => "do",
                };
                let unroll = match parts.unroll {
                    Unroll::Auto => String::new(),
                    Unroll::Full => " unroll full".to_string(),
                    Unroll::Count(count) => format!(" unroll {count}"),
                    Unroll::Disable => " unroll disable".to_string(),
                };
                let inits = match self.list(self.function.list(parts.inits)) {
                    list if list.is_empty() => list,
                    list => format!(" from {list}"),
                };
                let region = self.region(parts.region);
                format!("loop {region} {} {style}{unroll}{inits}", self.region(parts.body_region))
            }
            Op::Switch(id) => {
                let switch = self.function.switch(id);
                format!("switch {} {}", self.region(switch.region), self.v(switch.selector))
            }
            Op::Exit { region, values } => {
                format!("exit {}{}", self.region(region), self.trailing(values))
            }
            Op::Test { cond, values } => format!("test {}{}", self.v(cond), self.trailing(values)),
            Op::Next(values) => {
                format!("next {}", self.list(self.function.list(values))).trim_end().to_string()
            }
        }
    }
}

fn access_text(access: Access) -> String {
    let mut text = String::new();
    if access.align != 0 {
        let _ = write!(text, " align {}", access.align);
    }
    text.push_str(if access.volatile { " volatile" } else { "" });
    text.push_str(if access.coherent { " coherent" } else { "" });
    if access.order != Order::Plain {
        let _ = write!(text, " {}.{}", access.order.name(), access.scope.name());
    }
    text
}

fn flags_text(flags: MemFlags) -> String {
    let names: Vec<&str> = (0..MemFlags::NAMES.len())
        .filter(|bit| flags.0 & (1 << bit) != 0)
        .map(|bit| MemFlags::NAMES[bit])
        .collect();
    format!("{{{}}}", names.join(", "))
}

fn transpose_text(transpose: bool) -> &'static str {
    if transpose { " transpose" } else { "" }
}
