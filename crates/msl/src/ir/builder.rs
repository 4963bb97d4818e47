//! Builds one function from front to back.
//!
//! The builder keeps a stack of open regions; instructions go to the innermost block. Code
//! after an exit in the same block is dead: it is accepted (so that lowering need not track it)
//! and dropped.

use super::*;

/// What is open, innermost last.
enum Open {
    Block,
    Then { otherwise: BlockId },
    Else,
    Header(LoopId),
    Body(LoopId),
    Next,
    Switch(SwitchId),
    Case,
}

/// Builds a function of a module. Types are interned through `module`.
pub struct Builder<'m> {
    /// The module; its `types` may be used freely.
    pub module: &'m mut Module,
    /// The function so far.
    pub function: Function,
    /// Position given to the instructions that follow.
    pub span: Span,
    /// Inlined-at link given to the instructions that follow.
    pub inlined: Option<InlineId>,
    open: Vec<(Open, Option<BlockId>)>,
    /// `None` while code is dead.
    block: Option<BlockId>,
}

impl<'m> Builder<'m> {
    /// Starts a function.
    pub fn new(module: &'m mut Module, name: &str, result: Option<Type>) -> Builder<'m> {
        let function = Function::new(name, result);
        let block = Some(function.body);
        Builder { module, function, span: Span::NONE, inlined: None, open: Vec::new(), block }
    }

    /// Adds a parameter and returns its value.
    pub fn param(&mut self, name: &str, ty: Type, passing: Passing) -> ValueId {
        let value = self.value(ty);
        self.function.params.push(Param { name: name.to_string(), value, passing });
        value
    }

    /// Ends the function and adds it to the module.
    pub fn finish(self) -> FuncId {
        assert!(self.open.is_empty(), "a region is still open");
        self.module.add_function(self.function)
    }

    /// Ends the function and puts it in the place of one added before (a declaration).
    pub fn finish_as(self, id: FuncId) {
        assert!(self.open.is_empty(), "a region is still open");
        self.module.functions[id.index()] = self.function;
    }

    /// The type of a value.
    pub fn ty(&self, value: ValueId) -> Type {
        self.function.ty(value)
    }

    /// Whether the code that follows is dead.
    pub fn is_dead(&self) -> bool {
        self.block.is_none()
    }

    /// Adds an instruction with these result types.
    pub fn push(&mut self, op: Op, results: &[Type]) -> InstId {
        let first_result = ValueId(self.function.values.len() as u32);
        self.function.values.extend_from_slice(results);
        let inst = InstId(self.function.insts.len() as u32);
        let (span, inlined) = (self.span, self.inlined);
        let results = results.len() as u32;
        self.function.insts.push(Inst { op, first_result, results, span, inlined });
        if let Some(block) = self.block {
            self.function.blocks[block.index()].insts.push(inst);
            if op.is_terminator() {
                self.block = None;
            }
        }
        inst
    }

    /// Adds an instruction with one result.
    pub fn emit(&mut self, op: Op, ty: Type) -> ValueId {
        let inst = self.push(op, &[ty]);
        self.function.inst(inst).first_result
    }

    /// A constant by the bits of its type.
    pub fn constant(&mut self, bits: u64, ty: Type) -> ValueId {
        self.emit(Op::Const(bits), ty)
    }

    /// An `i32` constant.
    pub fn i32(&mut self, value: i32) -> ValueId {
        self.constant(value as u32 as u64, Type::I32)
    }

    /// A `u32` constant.
    pub fn u32(&mut self, value: u32) -> ValueId {
        self.constant(value.into(), Type::U32)
    }

    /// An `f32` constant.
    pub fn f32(&mut self, value: f32) -> ValueId {
        self.constant(value.to_bits().into(), Type::F32)
    }

    /// A `bool` constant.
    pub fn bool(&mut self, value: bool) -> ValueId {
        self.constant(value.into(), Type::BOOL)
    }

    /// Declares a local; the result is its address in thread space.
    pub fn var(&mut self, name: &str, ty: Type, type_name: Option<&str>) -> ValueId {
        let local = LocalId(self.function.locals.len() as u32);
        let type_name = type_name.map(str::to_string);
        self.function.locals.push(Local { name: name.to_string(), ty, type_name });
        let pointer = self.module.types.pointer(Space::Thread, ty);
        self.emit(Op::Var(local), pointer)
    }

    /// The address of a global.
    pub fn global(&mut self, id: GlobalId) -> ValueId {
        let global = self.module.global(id);
        let pointer = self.module.types.pointer(global.space, global.ty);
        self.emit(Op::Global(id), pointer)
    }

    /// `ptr + index` in elements of `ty`; the result points to `ty`.
    pub fn element(&mut self, ptr: ValueId, ty: Type, index: ValueId) -> ValueId {
        let pointer = self.pointer_like(ptr, ty);
        self.emit(Op::Element { ptr, ty, index }, pointer)
    }

    /// The address of a field.
    pub fn field(&mut self, ptr: ValueId, structure: StructId, field: u32) -> ValueId {
        let ty = self.module.types.structure(structure).fields[field as usize].ty;
        let pointer = self.pointer_like(ptr, ty);
        self.emit(Op::Field { ptr, structure, field }, pointer)
    }

    /// Reads a value of type `ty`.
    pub fn load(&mut self, ptr: ValueId, ty: Type, access: Access) -> ValueId {
        self.emit(Op::Load { ptr, access }, ty)
    }

    /// Writes a value.
    pub fn store(&mut self, ptr: ValueId, value: ValueId, access: Access) {
        self.push(Op::Store { ptr, value, access }, &[]);
    }

    /// An operation of one operand.
    pub fn unary(&mut self, op: UnaryOp, a: ValueId) -> ValueId {
        let ty = self.ty(a);
        self.emit(Op::Unary(op, a), ty)
    }

    /// An operation of two operands.
    pub fn binary(&mut self, op: BinaryOp, a: ValueId, b: ValueId) -> ValueId {
        let ty = self.ty(a);
        self.emit(Op::Binary(op, a, b), ty)
    }

    /// A comparison: `bool`, or a vector of as many.
    pub fn compare(&mut self, op: CompareOp, a: ValueId, b: ValueId) -> ValueId {
        let n = self.module.types.components(self.ty(a)).map_or(1, |(_, n)| n);
        let ty = self.module.types.vector(Scalar::Bool, n);
        self.emit(Op::Compare(op, a, b), ty)
    }

    /// `a * b + c` rounded once.
    pub fn fma(&mut self, a: ValueId, b: ValueId, c: ValueId) -> ValueId {
        let ty = self.ty(a);
        self.emit(Op::Fma(a, b, c), ty)
    }

    /// `cond ? a : b`.
    pub fn select(&mut self, cond: ValueId, a: ValueId, b: ValueId) -> ValueId {
        let ty = self.ty(a);
        self.emit(Op::Select { cond, a, b }, ty)
    }

    /// Conversion to `ty`; the value itself if it has that type.
    pub fn convert(&mut self, a: ValueId, ty: Type) -> ValueId {
        if self.ty(a) == ty { a } else { self.emit(Op::Convert(a), ty) }
    }

    /// The same bits as `ty`.
    pub fn bitcast(&mut self, a: ValueId, ty: Type) -> ValueId {
        if self.ty(a) == ty { a } else { self.emit(Op::Bitcast(a), ty) }
    }

    /// A vector from its components.
    pub fn vector(&mut self, parts: &[ValueId]) -> ValueId {
        let (scalar, _) = self.module.types.components(self.ty(parts[0])).expect("a scalar");
        let ty = self.module.types.vector(scalar, parts.len() as u8);
        let list = self.function.add_list(parts);
        self.emit(Op::Vector(list), ty)
    }

    /// A component of a vector.
    pub fn extract(&mut self, vector: ValueId, index: u8) -> ValueId {
        let (scalar, _) = self.module.types.components(self.ty(vector)).expect("a vector");
        self.emit(Op::Extract { vector, index }, Type::scalar(scalar))
    }

    /// A call; the value is there if the function has a result.
    pub fn call(
        &mut self,
        function: FuncId,
        args: &[ValueId],
        result: Option<Type>,
    ) -> Option<ValueId> {
        let args = self.function.add_list(args);
        let inst = self.push(Op::Call { function, args }, result.as_slice());
        self.function.inst(inst).result()
    }

    /// Leaves `region`.
    pub fn exit(&mut self, region: RegionId, values: &[ValueId]) {
        let values = self.function.add_list(values);
        self.push(Op::Exit { region, values }, &[]);
    }

    /// Returns from the function.
    pub fn ret(&mut self, value: Option<ValueId>) {
        self.exit(RegionId(0), value.as_slice());
    }

    /// Opens a block with result types; close it with [`Builder::close`].
    pub fn open_block(&mut self, style: BlockStyle, results: &[Type]) -> (RegionId, Vec<ValueId>) {
        let (region, body) = (self.region(RegionKind::Block), self.new_block());
        let values = self.open(Op::Block { region, body, style }, results, Open::Block, body);
        (region, values)
    }

    /// Opens the then arm of an if; [`Builder::open_else`] or [`Builder::close`] ends it.
    pub fn open_if(&mut self, cond: ValueId, results: &[Type]) -> (RegionId, Vec<ValueId>) {
        let region = self.region(RegionKind::If);
        let (then, otherwise) = (self.new_block(), self.new_block());
        let op = Op::If { region, cond, then, otherwise };
        let values = self.open(op, results, Open::Then { otherwise }, then);
        (region, values)
    }

    /// Goes on to the else arm.
    pub fn open_else(&mut self) {
        let top = self.open.last_mut().expect("an open if");
        let Open::Then { otherwise } = top.0 else { panic!("not in a then arm") };
        top.0 = Open::Else;
        self.block = top.1.map(|_| otherwise);
    }

    /// Opens a loop's header. Returns the region to break to and the one to continue to.
    pub fn open_loop(&mut self, style: LoopStyle, unroll: Unroll) -> (RegionId, RegionId) {
        let (region, body_region) = (self.region(RegionKind::Loop), self.region(RegionKind::Body));
        let (header, body, next) = (self.new_block(), self.new_block(), self.new_block());
        let inits = ValueList::EMPTY;
        let id = LoopId(self.function.loops.len() as u32);
        let parts = Loop { region, body_region, inits, header, body, next, style, unroll };
        self.function.loops.push(parts);
        self.open(Op::Loop(id), &[], Open::Header(id), header);
        (region, body_region)
    }

    /// Ends the header, with a test if there is a condition, and goes on to the body.
    pub fn open_body(&mut self, cond: Option<ValueId>) {
        if let Some(cond) = cond {
            self.push(Op::Test { cond, values: ValueList::EMPTY }, &[]);
        }
        let top = self.open.last_mut().expect("an open loop");
        let Open::Header(id) = top.0 else { panic!("not in a header") };
        top.0 = Open::Body(id);
        self.block = top.1.map(|_| self.function.loops[id.index()].body);
    }

    /// Goes on to the continue part.
    pub fn open_continue(&mut self) {
        let top = self.open.last_mut().expect("an open loop");
        let Open::Body(id) = top.0 else { panic!("not in a body") };
        top.0 = Open::Next;
        self.block = top.1.map(|_| self.function.loops[id.index()].next);
    }

    /// Opens a switch; only [`Builder::open_case`] and [`Builder::close`] may follow.
    pub fn open_switch(&mut self, selector: ValueId) -> RegionId {
        let region = self.region(RegionKind::Switch);
        let id = SwitchId(self.function.switches.len() as u32);
        self.function.switches.push(Switch { region, selector, cases: Vec::new() });
        let outer = self.block;
        self.push(Op::Switch(id), &[]);
        self.open.push((Open::Switch(id), outer));
        self.block = None;
        region
    }

    /// Opens the next case; the one before falls through to it.
    pub fn open_case(&mut self, values: &[u64], default: bool) {
        if matches!(self.open.last(), Some((Open::Case, _))) {
            self.open.pop();
        }
        let Some(&(Open::Switch(id), outer)) = self.open.last() else { panic!("no open switch") };
        let block = self.new_block();
        let cases = &mut self.function.switches[id.index()].cases;
        cases.push(Case { values: values.to_vec(), default, block });
        self.open.push((Open::Case, outer));
        self.block = outer.map(|_| block);
    }

    /// Ends the innermost region and goes on after it.
    pub fn close(&mut self) {
        let (mut open, mut outer) = self.open.pop().expect("an open region");
        if matches!(open, Open::Case) {
            (open, outer) = self.open.pop().expect("the case's switch");
        }
        assert!(!matches!(open, Open::Header(_)), "the loop has no body yet");
        self.block = outer;
    }

    fn open(&mut self, op: Op, results: &[Type], open: Open, first: BlockId) -> Vec<ValueId> {
        let outer = self.block;
        let inst = self.push(op, results);
        self.open.push((open, outer));
        self.block = outer.map(|_| first);
        self.function.inst(inst).result_ids().collect()
    }

    fn value(&mut self, ty: Type) -> ValueId {
        self.function.values.push(ty);
        ValueId(self.function.values.len() as u32 - 1)
    }

    fn region(&mut self, kind: RegionKind) -> RegionId {
        self.function.regions.push(kind);
        RegionId(self.function.regions.len() as u32 - 1)
    }

    fn new_block(&mut self) -> BlockId {
        self.function.blocks.push(Block::default());
        BlockId(self.function.blocks.len() as u32 - 1)
    }

    fn pointer_like(&mut self, ptr: ValueId, pointee: Type) -> Type {
        match self.module.types.kind(self.ty(ptr)) {
            TypeKind::Pointer(space, _) => self.module.types.pointer(space, pointee),
            _ => panic!("not a pointer"),
        }
    }
}
