//! Writing files so that readers see the old content or the new one, never a part.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use anymetal_kernels::copy;

use super::source::io_error;
use crate::Array;
use crate::device::BufferMut;
use crate::error::{Error, Result};

/// Where bytes go: a file on its way, or memory.
pub(super) type Sink<'a> = &'a mut dyn Write;

/// Writes a file under a temporary name in its folder, and renames it when it is complete. After
/// a failure nothing is left and an older file is untouched.
pub(super) fn replace(
    op: &'static str,
    path: &Path,
    write: impl FnOnce(Sink<'_>) -> io::Result<()>,
) -> Result<()> {
    let run = || {
        // Through a symbolic link: the file it names is replaced, not the link.
        let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
        let (mut file, temporary) = create_beside(&target)?;
        let written = write(&mut file).and_then(|()| file.sync_data());
        drop(file);
        let renamed = written.and_then(|()| fs::rename(&temporary, &target));
        if renamed.is_err() {
            // The first error is the one to report.
            let _ = fs::remove_file(&temporary);
        }
        renamed
    };
    run().map_err(|error| io_error(op, &path.display().to_string(), &error))
}

/// A new file with a name of its own in the folder of `target`.
fn create_beside(target: &Path) -> io::Result<(File, PathBuf)> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let name = target
        .file_name()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the path names no file"))?;
    loop {
        let mut hidden = std::ffi::OsString::from(".");
        hidden.push(name);
        hidden.push(format!(".{}-{}.tmp", std::process::id(), NEXT.fetch_add(1, Relaxed)));
        let temporary = target.with_file_name(hidden);
        match OpenOptions::new().write(true).create_new(true).open(&temporary) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            opened => return Ok((opened?, temporary)),
        }
    }
}

/// Calls `f` with the array's elements as row-major bytes. The array must be computed, so that
/// nothing but `f` can fail after a file was begun.
pub(super) fn with_bytes<R>(array: &Array, f: impl FnOnce(&[u8]) -> R) -> Result<R> {
    let view = array.host_view()?;
    let (start, len) = (view.layout.offset * array.dtype().size(), array.nbytes());
    if view.layout.is_contiguous() {
        let bytes = view.buffer.host_bytes()?;
        // An empty array's offset may lie anywhere.
        return Ok(f(if len == 0 { &[] } else { &bytes[start..start + len] }));
    }
    let mut buffer = BufferMut::new(len)?;
    copy::copy(view.slice()?, &view.layout, buffer.slice_mut(array.dtype()));
    Ok(f(buffer.bytes_mut()))
}

/// Writes an array's bytes, with its own errors passed through the writer's.
pub(super) fn write_array(sink: Sink<'_>, array: &Array) -> io::Result<()> {
    with_bytes(array, |bytes| sink.write_all(bytes)).map_err(io::Error::other)?
}

/// The bytes `write` makes, in memory.
pub(super) fn to_bytes(
    op: &'static str,
    write: impl FnOnce(Sink<'_>) -> io::Result<()>,
) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    match write(&mut bytes) {
        Ok(()) => Ok(bytes),
        Err(error) => Err(Error::runtime(op, error.to_string())),
    }
}
