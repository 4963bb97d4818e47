//! Canonical IR to flat code: kernels, the objects they can touch, constants, calls.

use anymetal_msl::ir::{self, *};
use rustc_hash::FxHashMap;

use super::code::{CONST, Code, Function, Object, Pc, Place, Program, Row, Site};
use super::function::FunctionFlattener;
use crate::launch::LaunchError;

/// Flattens a kernel of a verified module and everything it calls.
pub(super) fn flatten(module: &Module, name: &str) -> Result<Program, LaunchError> {
    let kernel =
        module.kernel(name).ok_or_else(|| LaunchError::UnknownKernel { name: name.to_string() })?;
    let mut flat = Flattener {
        module,
        program: Program {
            kernel: name.to_string(),
            max_threads: kernel.max_threads,
            ..Program::default()
        },
        constants: FxHashMap::default(),
        wide_constants: FxHashMap::default(),
        functions: FxHashMap::default(),
        pending: Vec::new(),
        globals: FxHashMap::default(),
        too_large: None,
    };
    flat.kernel(kernel);
    let mut program = flat.program;
    program.window_rows = stack_rows(&program);
    let too_large = match flat.too_large {
        Some(what) => Some((what, u64::from(CONST), u64::from(CONST))),
        None if program.objects.len() > 0xffff => {
            Some(("variables", program.objects.len() as u64, 0xffff))
        }
        None if program.thread_bytes > MAX_THREAD_BYTES => {
            Some(("bytes per thread", program.thread_bytes, MAX_THREAD_BYTES))
        }
        None => None,
    };
    match too_large {
        Some((what, needed, limit)) => {
            Err(LaunchError::TooLarge { kernel: name.to_string(), what, needed, limit })
        }
        None => Ok(program),
    }
}

/// Most bytes of addressed locals a thread may have.
const MAX_THREAD_BYTES: u64 = 1 << 20;

/// Rows of the deepest chain of calls.
fn stack_rows(program: &Program) -> u64 {
    // A function is flattened before its callees are, so callees have larger indices only by
    // chance: depths are computed over an explicit stack.
    let mut depth: Vec<Option<u64>> = vec![None; program.functions.len()];
    let mut stack = vec![0usize];
    while let Some(&function) = stack.last() {
        let f = &program.functions[function];
        let open = f.callees.iter().find(|&&callee| depth[callee as usize].is_none());
        match open {
            Some(&callee) => stack.push(callee as usize),
            None => {
                let inner = f.callees.iter().filter_map(|&callee| depth[callee as usize]).max();
                depth[function] = Some(u64::from(f.rows) + inner.unwrap_or(0));
                stack.pop();
            }
        }
    }
    depth.first().copied().flatten().unwrap_or(0)
}

/// The state of flattening a kernel.
pub(super) struct Flattener<'m> {
    pub(super) module: &'m Module,
    pub(super) program: Program,
    constants: FxHashMap<u32, Row>,
    wide_constants: FxHashMap<u64, Row>,
    functions: FxHashMap<FuncId, u32>,
    pending: Vec<FuncId>,
    globals: FxHashMap<GlobalId, Row>,
    /// What there is too much of, if anything.
    pub(super) too_large: Option<&'static str>,
}

impl<'m> Flattener<'m> {
    fn kernel(&mut self, kernel: &Kernel) {
        self.object("null", Type::VOID, Place::Null, 0, false);
        let mut objects = Vec::new();
        for param in &kernel.params {
            let place = match param.binding {
                Binding::Buffer(_) => {
                    self.program.buffers += 1;
                    Place::Buffer(self.program.buffers as u32 - 1)
                }
                Binding::Threadgroup(_) => {
                    self.program.threadgroup_params += 1;
                    Place::ThreadgroupParam(self.program.threadgroup_params as u32 - 1)
                }
            };
            let shared = matches!(param.binding, Binding::Threadgroup(_));
            let writable = param.writable || shared;
            objects.push(self.object(&param.name, param.element, place, 0, writable));
        }
        self.function_index(kernel.function);
        let mut next = 0;
        while next < self.pending.len() {
            let id = self.pending[next];
            let entry: &[Row] = if next == 0 { &objects } else { &[] };
            self.function(next as u32, self.module.function(id), entry);
            next += 1;
        }
    }

    pub(super) fn function_index(&mut self, id: FuncId) -> u32 {
        let next = self.pending.len() as u32;
        let index = *self.functions.entry(id).or_insert(next);
        if index == next {
            self.pending.push(id);
            let name = self.module.function(id).name.clone();
            self.program.functions.push(Function { name, ..Function::default() });
        }
        index
    }

    /// Adds an object and returns the row of its number.
    pub(super) fn object(
        &mut self,
        name: &str,
        ty: Type,
        place: Place,
        length: u64,
        writable: bool,
    ) -> Row {
        let name = name.to_string();
        let types = &self.module.types;
        let mut element = ty;
        if !matches!(place, Place::Buffer(_) | Place::ThreadgroupParam(_) | Place::Null) {
            while let TypeKind::Array(inner, _) = types.kind(element) {
                element = inner;
            }
        }
        let element_size = types.size(element);
        let element = source_text(self.module, element);
        let object = Object { name, element, element_size, place, length, writable };
        self.program.objects.push(object);
        self.constant(self.program.objects.len() as u32 - 1)
    }

    fn absolute(&mut self, words: &[u32]) -> Row {
        let row = self.program.constants.len();
        if row + words.len() >= usize::from(CONST) {
            self.too_large = Some("constants");
            return CONST;
        }
        self.program.constants.extend_from_slice(words);
        row as Row | CONST
    }

    pub(super) fn constant(&mut self, bits: u32) -> Row {
        if let Some(&row) = self.constants.get(&bits) {
            return row;
        }
        let row = self.absolute(&[bits]);
        self.constants.insert(bits, row);
        row
    }

    pub(super) fn wide(&mut self, bits: u64) -> Row {
        if let Some(&row) = self.wide_constants.get(&bits) {
            return row;
        }
        let row = self.absolute(&[bits as u32, (bits >> 32) as u32]);
        self.wide_constants.insert(bits, row);
        row
    }

    pub(super) fn attribute(&mut self, attribute: Attribute) -> Row {
        let known = self.program.attributes.iter().find(|known| known.0 == attribute);
        if let Some(&(_, row)) = known {
            return row;
        }
        let row = self.absolute(if attribute.is_vector() { &[0; 3] } else { &[0] });
        self.program.attributes.push((attribute, row));
        row
    }

    pub(super) fn global(&mut self, id: GlobalId) -> Row {
        if let Some(&row) = self.globals.get(&id) {
            return row;
        }
        let global = self.module.global(id);
        let size = self.module.types.size(global.ty);
        let (place, writable) = if global.space == Space::Constant {
            let at = self.program.constant_bytes.len().next_multiple_of(16);
            self.program.constant_bytes.resize(at, 0);
            self.program.constant_bytes.extend_from_slice(&global.bytes);
            (Place::Constant(at as u32), false)
        } else {
            let at = self.program.threadgroup_bytes.next_multiple_of(16);
            self.program.threadgroup_bytes = at + size;
            (Place::Threadgroup(at as u32), true)
        };
        let row = self.object(&global.name, global.ty, place, size, writable);
        self.globals.insert(id, row);
        row
    }

    fn function(&mut self, index: u32, f: &'m ir::Function, entry: &[Row]) {
        let start = self.program.code.len();
        let rows = FunctionFlattener::run(self, f, entry);
        let mut callees = Vec::new();
        for code in &mut self.program.code[start..] {
            match code {
                Code::Call { function, shift } => {
                    *shift = rows as u16;
                    callees.push(*function);
                }
                Code::Arg { shift, .. } | Code::Returned { shift, .. } => *shift = rows as u16,
                _ => {}
            }
        }
        callees.sort_unstable();
        callees.dedup();
        while self.program.sites.len() < self.program.code.len() {
            self.program.sites.push(Site { function: index, span: f.span });
        }
        for site in &mut self.program.sites[start..] {
            site.function = index;
        }
        let function = &mut self.program.functions[index as usize];
        (function.start, function.rows, function.callees) = (start as Pc, rows, callees);
    }
}
