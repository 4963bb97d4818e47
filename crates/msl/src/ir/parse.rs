//! The text form, parsed. For tests and tools: it stops at the first error, and what it
//! returns has the right shape but is not verified.

use rustc_hash::FxHashMap;

use super::lex::{Token, tokenize};
use super::*;

/// Why a text is not a module.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ParseError {
    /// 1-based line.
    pub line: u32,
    /// What was expected or found.
    pub message: String,
}

impl std::fmt::Display for ParseError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}: {}", self.line, self.message)
    }
}

impl std::error::Error for ParseError {}

type Result<T> = std::result::Result<T, ParseError>;

/// Parses the text form of a module.
pub fn parse(text: &str) -> Result<Module> {
    let tokens = tokenize(text)?;
    let mut parser = Parser {
        tokens,
        at: 0,
        module: Module::default(),
        defined: Vec::new(),
        function: Function::new("", None),
        values: FxHashMap::default(),
        regions: FxHashMap::default(),
        depth: 0,
    };
    parser.module()?;
    Ok(parser.module)
}

/// Nesting of blocks and types beyond which a text is refused, so that recursion stays bounded.
const MAX_DEPTH: usize = 200;

struct Parser {
    tokens: Vec<(Token, u32)>,
    at: usize,
    module: Module,
    /// Which structs have been defined, not only mentioned.
    defined: Vec<bool>,
    function: Function,
    values: FxHashMap<u64, ValueId>,
    regions: FxHashMap<u64, RegionId>,
    depth: usize,
}

impl Parser {
    fn module(&mut self) -> Result<()> {
        while *self.peek() != Token::End {
            let keyword = self.word()?;
            match keyword.as_str() {
                "struct" | "union" => self.structure(keyword == "union")?,
                "global" => self.global()?,
                "fn" => self.fn_item()?,
                "kernel" => self.kernel()?,
                _ => return self.fail(format!("unknown item `{keyword}`")),
            }
        }
        match self.defined.iter().position(|defined| !defined) {
            Some(i) => self.fail(format!("struct ${i} is not defined")),
            None => Ok(()),
        }
    }

    fn structure(&mut self, is_union: bool) -> Result<()> {
        let id = self.struct_id()?;
        let name = self.string()?;
        self.expect_word("size")?;
        let size = self.number()?;
        self.expect_word("align")?;
        let align = self.number()?;
        self.expect('{')?;
        let mut fields = Vec::new();
        while !self.eat('}') {
            if !fields.is_empty() {
                self.expect(',')?;
            }
            let name = self.string()?;
            self.expect(':')?;
            let ty = self.ty()?;
            self.expect('@')?;
            fields.push(Field { name, ty, offset: self.number()? });
        }
        self.module.types.define_struct(id, Struct { name, fields, size, align, is_union });
        self.defined[id.0 as usize] = true;
        Ok(())
    }

    fn global(&mut self) -> Result<()> {
        self.in_order("global", self.module.globals.len())?;
        let name = self.string()?;
        let space = self.named("address space", Space::from_name)?;
        let ty = self.ty()?;
        let mut bytes = Vec::new();
        if self.eat('=') {
            let text = self.word()?;
            let digits = text.strip_prefix('x').unwrap_or("").as_bytes();
            for pair in digits.chunks(2) {
                let byte = std::str::from_utf8(pair).ok().filter(|pair| pair.len() == 2);
                match byte.and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
                    Some(byte) => bytes.push(byte),
                    None => return self.fail("bytes are pairs of hexadecimal digits"),
                }
            }
        }
        let (span, _) = self.span()?;
        self.module.add_global(Global { name, space, ty, bytes, span });
        Ok(())
    }

    fn kernel(&mut self) -> Result<()> {
        let name = self.string()?;
        self.expect_word("fn")?;
        let function = FuncId(self.index()?);
        let max_threads = if self.eat_word("max_threads") { Some(self.index()?) } else { None };
        self.expect('(')?;
        let mut params = Vec::new();
        while !self.eat(')') {
            if !params.is_empty() {
                self.expect(',')?;
            }
            let kind = self.word()?;
            let index = self.index()?;
            let binding = match kind.as_str() {
                "buffer" => Binding::Buffer(index),
                "threadgroup" => Binding::Threadgroup(index),
                _ => return self.fail(format!("unknown binding `{kind}`")),
            };
            let (name, element) = (self.string()?, self.ty()?);
            let writable = self.eat_word("writable");
            let reference = self.eat_word("reference");
            params.push(KernelParam { name, binding, element, writable, reference });
        }
        self.module.kernels.push(Kernel { name, function, params, max_threads });
        Ok(())
    }

    fn fn_item(&mut self) -> Result<()> {
        self.in_order("fn", self.module.functions.len())?;
        self.function = Function::new(&self.string()?, None);
        self.values.clear();
        self.regions.clear();
        self.regions.insert(0, RegionId(0));
        self.expect('(')?;
        while !self.eat(')') {
            if !self.function.params.is_empty() {
                self.expect(',')?;
            }
            let number = self.sigil('%')?;
            self.expect(':')?;
            let passing = match () {
                () if self.eat_word("byval") => Passing::ByValue,
                () if self.eat_word("sret") => Passing::Result,
                () => Passing::Value,
            };
            let ty = self.ty()?;
            let name = self.string()?;
            let value = self.define(number, ty);
            self.function.params.push(Param { name, value, passing });
        }
        if self.eat_arrow() {
            self.function.result = Some(self.ty()?);
        }
        self.function.span = self.span()?.0;
        self.expect('{')?;
        while self.eat_word("inline") {
            self.in_order("inline", self.function.inline_sites.len())?;
            let callee = self.string()?;
            let (at, parent) = self.span()?;
            self.function.inline_sites.push(InlineSite { callee, at, parent });
        }
        self.block_body(BlockId(0))?;
        let function = std::mem::replace(&mut self.function, Function::new("", None));
        self.module.add_function(function);
        Ok(())
    }

    fn new_block(&mut self) -> BlockId {
        self.function.blocks.push(Block::default());
        BlockId(self.function.blocks.len() as u32 - 1)
    }

    fn braced(&mut self, block: BlockId) -> Result<()> {
        self.expect('{')?;
        self.block_body(block)
    }

    fn block_body(&mut self, block: BlockId) -> Result<()> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return self.fail("blocks are nested too deeply");
        }
        while !self.eat('}') {
            self.inst(block)?;
        }
        self.depth -= 1;
        Ok(())
    }

    fn inst(&mut self, block: BlockId) -> Result<()> {
        let mut results = Vec::new();
        if matches!(self.peek(), Token::Sigil('%', _)) {
            loop {
                let number = self.sigil('%')?;
                self.expect(':')?;
                results.push((number, self.ty()?));
                if !self.eat(',') {
                    break;
                }
            }
            self.expect('=')?;
        }
        let word = self.word()?;
        let first_ty = results.first().map(|&(_, ty)| ty);
        let mut op = self.op(&word, first_ty)?;
        let (span, inlined) = self.span()?;
        let first_result = ValueId(self.function.values.len() as u32);
        for &(number, ty) in &results {
            self.define(number, ty);
        }
        self.parts(&mut op)?;
        let inst = InstId(self.function.insts.len() as u32);
        let results = results.len() as u32;
        self.function.insts.push(Inst { op, first_result, results, span, inlined });
        self.function.blocks[block.index()].insts.push(inst);
        Ok(())
    }

    /// The blocks that follow an instruction's head.
    fn parts(&mut self, op: &mut Op) -> Result<()> {
        match *op {
            Op::Block { body, .. } => self.braced(body),
            Op::If { then, otherwise, .. } => {
                self.braced(then)?;
                if self.eat_word("else") { self.braced(otherwise) } else { Ok(()) }
            }
            Op::Loop(id) => {
                let parts = self.function.loop_parts(id);
                let (header, body, next) = (parts.header, parts.body, parts.next);
                self.params(header)?;
                self.braced(header)?;
                self.expect_word("body")?;
                self.braced(body)?;
                self.expect_word("next")?;
                self.params(next)?;
                self.braced(next)
            }
            Op::Switch(id) => {
                let selector = self.function.switch(id).selector;
                let ty = self.function.ty(selector);
                let scalar = self.module.types.components(ty).map(|(scalar, _)| scalar);
                self.expect('{')?;
                while !self.eat('}') {
                    self.expect_word("case")?;
                    let mut values = Vec::new();
                    while matches!(self.peek(), Token::Number(_)) {
                        values.push(self.constant(scalar)?);
                        if !self.eat(',') {
                            break;
                        }
                    }
                    let default = self.eat_word("default");
                    let block = self.new_block();
                    self.braced(block)?;
                    let case = Case { values, default, block };
                    self.function.switches[id.index()].cases.push(case);
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn params(&mut self, block: BlockId) -> Result<()> {
        if !self.eat('(') {
            return Ok(());
        }
        while !self.eat(')') {
            if !self.function.block(block).params.is_empty() {
                self.expect(',')?;
            }
            let number = self.sigil('%')?;
            self.expect(':')?;
            let ty = self.ty()?;
            let value = self.define(number, ty);
            self.function.blocks[block.index()].params.push(value);
        }
        Ok(())
    }

    fn op(&mut self, word: &str, result: Option<Type>) -> Result<Op> {
        if let Some(op) = UnaryOp::from_name(word) {
            return Ok(Op::Unary(op, self.v()?));
        }
        if let Some(op) = BinaryOp::from_name(word) {
            let [a, b] = self.operands()?;
            return Ok(Op::Binary(op, a, b));
        }
        if word.contains('.') {
            return self.dotted(word);
        }
        Ok(match word {
            "const" => {
                let scalar = result.and_then(|ty| match self.module.types.kind(ty) {
                    TypeKind::SimdMatrix(scalar) => Some(scalar),
                    _ => self.module.types.components(ty).map(|(scalar, _)| scalar),
                });
                Op::Const(self.constant(scalar)?)
            }
            "var" => {
                let name = self.string()?;
                let type_name = if self.eat_word("as") { Some(self.string()?) } else { None };
                let Some(TypeKind::Pointer(_, ty)) = result.map(|ty| self.module.types.kind(ty))
                else {
                    return self.fail("the result of var is a pointer");
                };
                self.function.locals.push(Local { name, ty, type_name });
                Op::Var(LocalId(self.function.locals.len() as u32 - 1))
            }
            "global" => Op::Global(GlobalId(self.index()?)),
            "element" => {
                let ptr = self.v_comma()?;
                let ty = self.ty()?;
                self.expect(',')?;
                Op::Element { ptr, ty, index: self.v()? }
            }
            "field" => {
                let ptr = self.v_comma()?;
                let structure = self.struct_id()?;
                self.expect(',')?;
                Op::Field { ptr, structure, field: self.index()? }
            }
            "ptr_cast" => Op::PtrCast(self.v()?),
            "ptr_diff" => {
                let (a, b) = (self.v_comma()?, self.v_comma()?);
                Op::PtrDiff { a, b, ty: self.ty()? }
            }
            "load" => Op::Load { ptr: self.v()?, access: self.access()? },
            "store" => {
                let [ptr, value] = self.operands()?;
                Op::Store { ptr, value, access: self.access()? }
            }
            "copy" => {
                let (dst, src) = (self.v_comma()?, self.v_comma()?);
                Op::Copy { dst, src, ty: self.ty()? }
            }
            "zero" => Op::Zero { ptr: self.v_comma()?, ty: self.ty()? },
            "fence" => {
                let flags = self.flags()?;
                let (order, scope) = self.order()?;
                Op::Fence { flags, order, scope }
            }
            "barrier" => {
                let exec = self.named("scope", Scope::from_name)?;
                let flags = self.flags()?;
                Op::Barrier { exec, flags, scope: self.named("scope", Scope::from_name)? }
            }
            "fma" => {
                let [a, b, c] = self.operands()?;
                Op::Fma(a, b, c)
            }
            "select" => {
                let [cond, a, b] = self.operands()?;
                Op::Select { cond, a, b }
            }
            "convert" => Op::Convert(self.v()?),
            "bitcast" => Op::Bitcast(self.v()?),
            "vector" => Op::Vector(self.list()?),
            "splat" => Op::Splat(self.v()?),
            "extract" => Op::Extract { vector: self.v_comma()?, index: self.small()? },
            "extract_at" => {
                let [vector, index] = self.operands()?;
                Op::ExtractAt { vector, index }
            }
            "insert" => {
                let (vector, index) = (self.v_comma()?, self.small()?);
                self.expect(',')?;
                Op::Insert { vector, index, value: self.v()? }
            }
            "insert_at" => {
                let [vector, index, value] = self.operands()?;
                Op::InsertAt { vector, index, value }
            }
            "swizzle" => {
                let (a, b) = (self.v_comma()?, self.v_comma()?);
                let mut lanes = [0; 4];
                self.expect('[')?;
                for lane in &mut lanes {
                    *lane = self.small()?;
                    if !self.eat(',') {
                        break;
                    }
                }
                self.expect(']')?;
                Op::Swizzle { a, b, lanes }
            }
            "attribute" => Op::Attribute(self.named("attribute", Attribute::from_name)?),
            "matrix_load" => {
                let [ptr, stride] = self.operands()?;
                Op::MatrixLoad { ptr, stride, transpose: self.eat_word("transpose") }
            }
            "matrix_store" => {
                let [ptr, value, stride] = self.operands()?;
                Op::MatrixStore { ptr, value, stride, transpose: self.eat_word("transpose") }
            }
            "matrix_diagonal" => Op::MatrixDiagonal(self.v()?),
            "matrix_mul_add" => {
                let [a, b, c] = self.operands()?;
                Op::MatrixMulAdd { a, b, c }
            }
            "call" => {
                let function = FuncId(self.index()?);
                self.expect('(')?;
                let args = self.list()?;
                self.expect(')')?;
                Op::Call { function, args }
            }
            "block" => {
                let region = self.new_region(RegionKind::Block)?;
                let style = match () {
                    () if self.eat_word("for") => BlockStyle::For,
                    () if self.eat_word("inlined") => BlockStyle::Inlined,
                    () => BlockStyle::Plain,
                };
                Op::Block { region, body: self.new_block(), style }
            }
            "if" => {
                let region = self.new_region(RegionKind::If)?;
                let cond = self.v()?;
                let (then, otherwise) = (self.new_block(), self.new_block());
                Op::If { region, cond, then, otherwise }
            }
            "loop" => self.loop_head()?,
            "switch" => {
                let region = self.new_region(RegionKind::Switch)?;
                let selector = self.v()?;
                self.function.switches.push(Switch { region, selector, cases: Vec::new() });
                Op::Switch(SwitchId(self.function.switches.len() as u32 - 1))
            }
            "exit" => {
                let number = self.sigil('^')?;
                let Some(&region) = self.regions.get(&number) else {
                    return self.fail(format!("region ^{number} is not open"));
                };
                Op::Exit { region, values: self.trailing()? }
            }
            "test" => Op::Test { cond: self.v()?, values: self.trailing()? },
            "next" => Op::Next(self.list()?),
            _ => return self.fail(format!("unknown instruction `{word}`")),
        })
    }

    /// Instructions whose name has a variant and perhaps a width: `reduce.sum.simd`.
    fn dotted(&mut self, word: &str) -> Result<Op> {
        let mut parts = word.split('.');
        let (head, variant) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""));
        let width = parts.next().and_then(Width::from_name);
        if let ("cmp", Some(op)) = (head, CompareOp::from_name(variant)) {
            let [a, b] = self.operands()?;
            return Ok(Op::Compare(op, a, b));
        }
        if (head, variant) == ("atomic", "cmpxchg") {
            let [ptr, expected, desired] = self.operands()?;
            return Ok(Op::AtomicCmpXchg { ptr, expected, desired, access: self.access()? });
        }
        if let ("atomic", Some(op)) = (head, AtomicOp::from_name(variant)) {
            let [ptr, value] = self.operands()?;
            return Ok(Op::AtomicRmw { op, ptr, value, access: self.access()? });
        }
        if let ("broadcast_first", Some(width)) = (head, Width::from_name(variant)) {
            return Ok(Op::BroadcastFirst { width, value: self.v()? });
        }
        let Some(width) = width else {
            return self.fail(format!("unknown instruction `{word}`"));
        };
        if let ("reduce", Some(op)) = (head, ReduceOp::from_name(variant)) {
            return Ok(Op::Reduce { op, width, value: self.v()? });
        }
        if let ("scan", Some(op)) = (head, ScanOp::from_name(variant)) {
            return Ok(Op::Scan { op, width, value: self.v()? });
        }
        if let ("vote", Some(op)) = (head, VoteOp::from_name(variant)) {
            return Ok(Op::Vote { op, width, value: self.v()? });
        }
        match (head, ShuffleOp::from_name(variant)) {
            ("shuffle", Some(op)) => {
                let [value, lane] = self.operands()?;
                Ok(Op::Shuffle { op, width, value, lane })
            }
            ("shuffle_fill", Some(op)) => {
                let [value, fill, lane, modulo] = self.operands()?;
                Ok(Op::ShuffleFill { op, width, value, fill, lane, modulo })
            }
            _ => self.fail(format!("unknown instruction `{word}`")),
        }
    }

    fn loop_head(&mut self) -> Result<Op> {
        let region = self.new_region(RegionKind::Loop)?;
        let body_region = self.new_region(RegionKind::Body)?;
        let style = match self.word()?.as_str() {
            "for" => LoopStyle::For,
            "while" => LoopStyle::While,
            "do" => LoopStyle::DoWhile,
            other => return self.fail(format!("unknown loop style `{other}`")),
        };
        let unroll = match () {
            () if !self.eat_word("unroll") => Unroll::Auto,
            () if self.eat_word("full") => Unroll::Full,
            () if self.eat_word("disable") => Unroll::Disable,
            () => Unroll::Count(self.index()?),
        };
        let inits = if self.eat_word("from") { self.list()? } else { ValueList::EMPTY };
        let (header, body, next) = (self.new_block(), self.new_block(), self.new_block());
        let parts = Loop { region, body_region, inits, header, body, next, style, unroll };
        self.function.loops.push(parts);
        Ok(Op::Loop(LoopId(self.function.loops.len() as u32 - 1)))
    }

    fn new_region(&mut self, kind: RegionKind) -> Result<RegionId> {
        let number = self.sigil('^')?;
        let region = RegionId(self.function.regions.len() as u32);
        self.function.regions.push(kind);
        self.regions.insert(number, region);
        Ok(region)
    }

    fn define(&mut self, number: u64, ty: Type) -> ValueId {
        let value = ValueId(self.function.values.len() as u32);
        self.function.values.push(ty);
        self.values.insert(number, value);
        value
    }

    fn v(&mut self) -> Result<ValueId> {
        let number = self.sigil('%')?;
        match self.values.get(&number) {
            Some(&value) => Ok(value),
            None => self.fail(format!("%{number} is not defined yet")),
        }
    }

    fn v_comma(&mut self) -> Result<ValueId> {
        let value = self.v()?;
        self.expect(',')?;
        Ok(value)
    }

    fn operands<const N: usize>(&mut self) -> Result<[ValueId; N]> {
        let mut values = [ValueId(0); N];
        for (i, value) in values.iter_mut().enumerate() {
            if i > 0 {
                self.expect(',')?;
            }
            *value = self.v()?;
        }
        Ok(values)
    }

    fn list(&mut self) -> Result<ValueList> {
        let mut values = Vec::new();
        while matches!(self.peek(), Token::Sigil('%', _)) {
            values.push(self.v()?);
            if !self.eat(',') {
                break;
            }
        }
        Ok(self.function.add_list(&values))
    }

    fn trailing(&mut self) -> Result<ValueList> {
        if self.eat(',') { self.list() } else { Ok(ValueList::EMPTY) }
    }

    fn access(&mut self) -> Result<Access> {
        let mut access = Access::PLAIN;
        if self.eat_word("align") {
            access.align = self.small()?;
        }
        access.volatile = self.eat_word("volatile");
        access.coherent = self.eat_word("coherent");
        if matches!(self.peek(), Token::Word(word) if split_order(word).is_some()) {
            (access.order, access.scope) = self.order()?;
        }
        Ok(access)
    }

    fn order(&mut self) -> Result<(Order, Scope)> {
        let word = self.word()?;
        match split_order(&word) {
            Some(pair) => Ok(pair),
            None => self.fail(format!("`{word}` is not order.scope")),
        }
    }

    fn flags(&mut self) -> Result<MemFlags> {
        let mut flags = MemFlags::NONE;
        self.expect('{')?;
        while !self.eat('}') {
            let word = self.word()?;
            match MemFlags::NAMES.iter().position(|name| *name == word) {
                Some(bit) => flags.0 |= 1 << bit,
                None => return self.fail(format!("unknown memory flag `{word}`")),
            }
            self.eat(',');
        }
        Ok(flags)
    }

    fn constant(&mut self, scalar: Option<Scalar>) -> Result<u64> {
        let text = match self.advance() {
            Token::Number(text) => text,
            Token::Word(word) if word == "true" => return Ok(1),
            Token::Word(word) if word == "false" => return Ok(0),
            other => return self.fail(format!("expected a constant, found {other}")),
        };
        let bits = if let Some(hex) = text.strip_prefix("0x") {
            u64::from_str_radix(hex, 16).ok()
        } else {
            match scalar {
                Some(Scalar::F32) => text.parse().ok().map(|x: f32| x.to_bits().into()),
                Some(Scalar::F16) => {
                    text.parse().ok().map(|x: f32| half::f16::from_f32(x).to_bits().into())
                }
                Some(Scalar::BF16) => {
                    text.parse().ok().map(|x: f32| half::bf16::from_f32(x).to_bits().into())
                }
                // Bits beyond the width are dropped, so that -1 is all ones of the width.
                Some(int) => text
                    .parse()
                    .ok()
                    .map(|x: i128| x as u64 & (u64::MAX >> (64 - (int.size() as u32 * 8).min(64)))),
                None => text.parse().ok(),
            }
        };
        match bits {
            Some(bits) => Ok(bits),
            None => self.fail(format!("`{text}` is not a constant of the type")),
        }
    }

    fn ty(&mut self) -> Result<Type> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return self.fail("types are nested too deeply");
        }
        let ty = self.ty_inner()?;
        self.depth -= 1;
        Ok(ty)
    }

    fn ty_inner(&mut self) -> Result<Type> {
        if self.eat('[') {
            let length = self.number()?;
            self.expect_word("x")?;
            let element = self.ty()?;
            self.expect(']')?;
            return Ok(self.module.types.array(element, length));
        }
        if matches!(self.peek(), Token::Sigil('$', _)) {
            let id = self.struct_id()?;
            return Ok(self.module.types.intern(TypeKind::Struct(id)));
        }
        let word = self.word()?;
        match word.as_str() {
            "void" => return Ok(Type::VOID),
            "ptr" => {
                self.expect('<')?;
                let space = self.named("address space", Space::from_name)?;
                self.expect(',')?;
                let pointee = self.ty()?;
                self.expect('>')?;
                return Ok(self.module.types.pointer(space, pointee));
            }
            "simdmat" => {
                self.expect('<')?;
                let scalar = self.named("scalar type", Scalar::from_name)?;
                self.expect('>')?;
                return Ok(self.module.types.simd_matrix(scalar));
            }
            _ => {}
        }
        if let Some(scalar) = Scalar::from_name(&word) {
            return Ok(Type::scalar(scalar));
        }
        let packed = word.strip_prefix("packed_");
        if let Some((scalar, n)) = packed.unwrap_or(&word).rsplit_once('x')
            && let (Some(scalar), Ok(n @ 2..=4)) = (Scalar::from_name(scalar), n.parse())
        {
            let types = &mut self.module.types;
            return Ok(match packed {
                Some(_) => types.packed(scalar, n),
                None => types.vector(scalar, n),
            });
        }
        self.fail(format!("unknown type `{word}`"))
    }

    fn struct_id(&mut self) -> Result<StructId> {
        let number = self.sigil('$')?;
        if number > 0xffff {
            return self.fail("too many structs");
        }
        while self.defined.len() <= number as usize {
            let (name, fields) = (String::new(), Vec::new());
            let layout = Struct { name, fields, size: 1, align: 1, is_union: false };
            self.module.types.add_struct(layout);
            self.defined.push(false);
        }
        Ok(StructId(number as u32))
    }

    fn span(&mut self) -> Result<(Span, Option<InlineId>)> {
        if !matches!(self.peek(), Token::Sigil('!', _)) {
            return Ok((Span::NONE, None));
        }
        let span = Span(self.sigil('!')? as u32);
        let inlined = if self.eat('<') { Some(InlineId(self.index()?)) } else { None };
        Ok((span, inlined))
    }

    fn in_order(&mut self, what: &str, expected: usize) -> Result<()> {
        match self.number()? {
            number if number == expected as u64 => Ok(()),
            number => self.fail(format!("{what} {number} is out of order, expected {expected}")),
        }
    }

    fn named<T>(&mut self, what: &str, find: impl Fn(&str) -> Option<T>) -> Result<T> {
        let word = self.word()?;
        match find(&word) {
            Some(found) => Ok(found),
            None => self.fail(format!("unknown {what} `{word}`")),
        }
    }

    fn peek(&self) -> &Token {
        &self.tokens[self.at].0
    }

    fn advance(&mut self) -> Token {
        let token = self.tokens[self.at].0.clone();
        self.at = (self.at + 1).min(self.tokens.len() - 1);
        token
    }

    fn eat(&mut self, c: char) -> bool {
        let found = *self.peek() == Token::Punct(c);
        if found {
            self.advance();
        }
        found
    }

    fn eat_arrow(&mut self) -> bool {
        let found = *self.peek() == Token::Arrow;
        if found {
            self.advance();
        }
        found
    }

    fn eat_word(&mut self, word: &str) -> bool {
        let found = matches!(self.peek(), Token::Word(found) if found == word);
        if found {
            self.advance();
        }
        found
    }

    fn expect(&mut self, c: char) -> Result<()> {
        if self.eat(c) {
            Ok(())
        } else {
            self.fail(format!("expected `{c}`, found {}", self.peek()))
        }
    }

    fn expect_word(&mut self, word: &str) -> Result<()> {
        if self.eat_word(word) {
            Ok(())
        } else {
            self.fail(format!("expected `{word}`, found {}", self.peek()))
        }
    }

    fn word(&mut self) -> Result<String> {
        match self.advance() {
            Token::Word(word) => Ok(word),
            other => self.fail(format!("expected a word, found {other}")),
        }
    }

    fn string(&mut self) -> Result<String> {
        match self.advance() {
            Token::Text(text) => Ok(text),
            other => self.fail(format!("expected a string, found {other}")),
        }
    }

    fn sigil(&mut self, sigil: char) -> Result<u64> {
        match self.advance() {
            Token::Sigil(found, number) if found == sigil => Ok(number),
            other => self.fail(format!("expected {sigil} and a number, found {other}")),
        }
    }

    fn number(&mut self) -> Result<u64> {
        match self.advance() {
            Token::Number(text) if text.parse::<u64>().is_ok() => Ok(text.parse().unwrap_or(0)),
            other => self.fail(format!("expected a number, found {other}")),
        }
    }

    fn index(&mut self) -> Result<u32> {
        let number = self.number()?;
        u32::try_from(number).or_else(|_| self.fail(format!("{number} is too large")))
    }

    fn small(&mut self) -> Result<u8> {
        let number = self.number()?;
        u8::try_from(number).or_else(|_| self.fail(format!("{number} is too large")))
    }

    fn fail<T>(&self, message: impl Into<String>) -> Result<T> {
        // The token before the current one is the one that was looked at last.
        let line = self.tokens[self.at.saturating_sub(1)].1;
        Err(ParseError { line, message: message.into() })
    }
}

fn split_order(word: &str) -> Option<(Order, Scope)> {
    let (order, scope) = word.split_once('.')?;
    Some((Order::from_name(order)?, Scope::from_name(scope)?))
}
