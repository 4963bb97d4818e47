//! Modules: types, globals, functions and the kernels among them.
//!
//! Invariant: functions may call each other in any order, but never in a cycle.

use super::{FuncId, Function, GlobalId, Space, Type, Types};

/// A position of the source: the front end's 32-bit span, opaque here. 0 means none.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord, Default)]
pub struct Span(pub u32);

impl Span {
    /// No position.
    pub const NONE: Span = Span(0);
}

/// A program-scope constant or a threadgroup variable of a kernel.
#[derive(Clone, PartialEq, Debug)]
pub struct Global {
    /// Source name.
    pub name: String,
    /// [`Space::Constant`] or [`Space::Threadgroup`].
    pub space: Space,
    /// Memory type.
    pub ty: Type,
    /// Initial bytes of a constant, `sizeof(ty)` of them; empty for threadgroup variables,
    /// which start as zero.
    pub bytes: Vec<u8>,
    /// Where it is declared.
    pub span: Span,
}

/// What a kernel's parameter is bound to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Binding {
    /// `[[buffer(n)]]`: device or constant memory.
    Buffer(u32),
    /// `[[threadgroup(n)]]`: threadgroup memory whose length the launch gives.
    Threadgroup(u32),
}

/// A parameter of a kernel; the function's parameter of the same position is its address.
#[derive(Clone, PartialEq, Debug)]
pub struct KernelParam {
    /// Source name.
    pub name: String,
    /// What it is bound to.
    pub binding: Binding,
    /// Declared element type.
    pub element: Type,
    /// Whether the source may write through it (not `const`, not `constant`).
    pub writable: bool,
    /// A reference (`constant int& n`): one element.
    pub reference: bool,
}

/// A kernel: a function without result that a launch can name.
#[derive(Clone, PartialEq, Debug)]
pub struct Kernel {
    /// `host_name`, or the function's name.
    pub name: String,
    /// Its function, whose parameters are all pointers.
    pub function: FuncId,
    /// One per parameter of the function.
    pub params: Vec<KernelParam>,
    /// `max_total_threads_per_threadgroup`, if given.
    pub max_threads: Option<u32>,
}

/// A program.
#[derive(Clone, Debug, Default)]
pub struct Module {
    /// Types.
    pub types: Types,
    /// Program-scope constants and threadgroup variables.
    pub globals: Vec<Global>,
    /// Functions.
    pub functions: Vec<Function>,
    /// Kernels.
    pub kernels: Vec<Kernel>,
}

impl Module {
    /// Adds a function.
    pub fn add_function(&mut self, function: Function) -> FuncId {
        self.functions.push(function);
        FuncId(self.functions.len() as u32 - 1)
    }

    /// Adds a global.
    pub fn add_global(&mut self, global: Global) -> GlobalId {
        self.globals.push(global);
        GlobalId(self.globals.len() as u32 - 1)
    }

    /// A function.
    pub fn function(&self, id: FuncId) -> &Function {
        &self.functions[id.index()]
    }

    /// A global.
    pub fn global(&self, id: GlobalId) -> &Global {
        &self.globals[id.index()]
    }

    /// The kernel of a name.
    pub fn kernel(&self, name: &str) -> Option<&Kernel> {
        self.kernels.iter().find(|kernel| kernel.name == name)
    }
}
