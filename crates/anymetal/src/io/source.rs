//! Where a file's bytes come from: the file itself, its mapped pages, or memory.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use super::LoadOptions;
use super::map::{Mapped, map};
use crate::device::{Buffer, BufferMut, Spec};
use crate::error::{Error, Result};
use crate::{Array, Slice};

/// What must be done to an array's bytes after they were copied.
pub(super) type Fix<'a> = &'a dyn Fn(&mut [u8]);

/// Bytes of known length that are read at positions.
pub(super) struct Source<'a> {
    op: &'static str,
    name: String,
    len: u64,
    content: Content<'a>,
}

enum Content<'a> {
    File(File),
    Mapped(Mapped),
    Bytes(&'a [u8]),
}

impl<'a> Source<'a> {
    pub(super) fn open(op: &'static str, path: &Path, options: LoadOptions) -> Result<Self> {
        let name = path.display().to_string();
        let open = || {
            let file = File::open(path)?;
            let len = file.metadata()?.len();
            let content =
                if options.memory_map { Content::Mapped(map(&file)?) } else { Content::File(file) };
            Ok((len, content))
        };
        match open() {
            Ok((len, content)) => Ok(Source { op, name, len, content }),
            Err(error) => Err(io_error(op, &name, &error)),
        }
    }

    pub(super) fn bytes(op: &'static str, bytes: &'a [u8]) -> Self {
        let len = bytes.len() as u64;
        Source { op, name: "<bytes>".into(), len, content: Content::Bytes(bytes) }
    }

    /// Length in bytes.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// An error about the content.
    pub(super) fn broken(&self, message: impl Into<String>) -> Error {
        Error::Io { op: self.op, path: self.name.clone(), message: message.into() }
    }

    /// Bytes of a header. Nothing is allocated before they are known to be there.
    pub(super) fn read(&self, start: u64, len: usize) -> Result<Vec<u8>> {
        self.check(start, len)?;
        let mut bytes = vec![0; len];
        self.read_into(start, &mut bytes)?;
        Ok(bytes)
    }

    /// The array whose row-major elements start at a position: the mapped pages themselves if
    /// there are such and they are aligned, else a copy, which `fix` may change.
    pub(super) fn array(&self, start: u64, spec: &Spec, fix: Option<Fix<'_>>) -> Result<Array> {
        let Some(len) = spec.bytes() else {
            return Err(self.broken("an array is larger than the address space"));
        };
        self.check(start, len)?;
        if let (Content::Mapped(map), None) = (&self.content, fix)
            && let Some(part) = map.part(start as usize, len)
            && Slice::from_bytes(spec.dtype, part.as_ref()).is_some()
        {
            return Array::from_buffer(Buffer::foreign(part), spec.dtype, &spec.shape);
        }
        let mut buffer = BufferMut::new(len)?;
        self.read_into(start, buffer.bytes_mut())?;
        if let Some(fix) = fix {
            fix(buffer.bytes_mut());
        }
        Array::from_buffer(buffer.freeze(), spec.dtype, &spec.shape)
    }

    fn check(&self, start: u64, len: usize) -> Result<()> {
        let end = start.checked_add(len as u64);
        if end.is_some_and(|end| end <= self.len) {
            return Ok(());
        }
        let (has, needs) = (self.len, end.unwrap_or(u64::MAX));
        Err(self.broken(format!("the file ends after {has} bytes; {needs} are needed")))
    }

    fn read_into(&self, start: u64, to: &mut [u8]) -> Result<()> {
        let read = |mut file: &File, to: &mut [u8]| {
            file.seek(SeekFrom::Start(start))?;
            file.read_exact(to)
        };
        let memory = match &self.content {
            Content::File(file) => {
                return read(file, to).map_err(|e| io_error(self.op, &self.name, &e));
            }
            Content::Mapped(map) => map.as_ref(),
            Content::Bytes(bytes) => bytes,
        };
        let end = (start as usize).checked_add(to.len());
        match end.and_then(|end| memory.get(start as usize..end)) {
            Some(from) => to.copy_from_slice(from),
            // Only if the file shrank between being measured and mapped.
            None => return Err(self.broken("the file became shorter while it was read")),
        }
        Ok(())
    }
}

pub(super) fn io_error(op: &'static str, path: &str, error: &std::io::Error) -> Error {
    Error::Io { op, path: path.into(), message: error.to_string() }
}
