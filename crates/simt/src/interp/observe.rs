//! What a checker can watch. Observers are compiled away when unused.

use anymetal_msl::ir::Span;

/// An access that a lane makes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AccessEvent {
    /// Number of the object (see [`crate::interp::Program::object_name`]).
    pub object: u32,
    /// Byte offset in it.
    pub offset: i64,
    /// Bytes touched.
    pub size: u32,
    /// A store or atomic operation.
    pub write: bool,
    /// An atomic operation.
    pub atomic: bool,
    /// Within its bounds.
    pub in_range: bool,
}

/// Where an event happens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Moment {
    /// The instruction.
    pub span: Span,
    /// Its place in the flat code: equal for equal instructions.
    pub site: u32,
    /// Linear index of the thread in the threadgroup.
    pub thread: u32,
    /// Position of the threadgroup in the grid.
    pub threadgroup: [u32; 3],
}

/// Sees what threads do. Every method does nothing by default.
pub trait Observer {
    /// Whether there is anything to see; `false` compiles all calls away.
    const ACTIVE: bool = true;
    /// A thread touches memory.
    fn access(&mut self, at: Moment, access: AccessEvent) {
        let _ = (at, access);
    }
    /// The threads of a threadgroup or simdgroup that wait at a barrier go on.
    fn barrier(&mut self, threadgroup: [u32; 3], simdgroup: Option<u32>) {
        let _ = (threadgroup, simdgroup);
    }
    /// Lanes of a simdgroup execute an operation (its site, its lanes).
    fn operation(&mut self, site: u32, simdgroup: u32, lanes: u32) {
        let _ = (site, simdgroup, lanes);
    }
    /// A thread ends.
    fn exit(&mut self, threadgroup: [u32; 3], thread: u32) {
        let _ = (threadgroup, thread);
    }
}

/// Sees nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unobserved;

impl Observer for Unobserved {
    const ACTIVE: bool = false;
}
