//! Memory, and what is known of devices.

use anymetal::device;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::error::CallResult;
use crate::function::{Call, Row, row};

/// Accepted and without effect: nothing here can be kept from being paged out.
fn set_wired_limit<'py>(c: &mut Call<'_, 'py>) -> CallResult<'py> {
    let _: usize = c.next()?;
    c.give(0usize)
}

/// How much memory arrays take, and limits on it; in the module and in `metal`.
pub(crate) const SHARED: &[Row] = &[
    row("get_active_memory() -> int", "Bytes held by live arrays.", |c| {
        c.give(device::active_memory())
    }),
    row("get_peak_memory() -> int", "The most bytes live arrays have held.", |c| {
        c.give(device::peak_memory())
    }),
    row("reset_peak_memory() -> None", "Starts the peak anew from the present use.", |c| {
        device::reset_peak_memory();
        c.give(())
    }),
    row("get_cache_memory() -> int", "Bytes kept for reuse.", |c| c.give(device::cache_memory())),
    row(
        "set_cache_limit(limit: int) -> int",
        "Sets how many bytes may be kept for reuse; returns the former limit.",
        |c| {
            let limit: usize = c.next()?;
            c.give(device::set_cache_limit(limit))
        },
    ),
    row(
        "set_memory_limit(limit: int) -> int",
        "Sets how many bytes live arrays may hold; returns the former limit.",
        |c| {
            let limit: usize = c.next()?;
            c.give(device::set_memory_limit(limit))
        },
    ),
    row(
        "set_wired_limit(limit: int) -> int",
        "Accepted and without effect, as in MLX without Metal; returns 0.",
        set_wired_limit,
    ),
    row("clear_cache() -> None", "Gives memory kept for reuse back to the system.", |c| {
        device::clear_cache();
        c.give(())
    }),
];

/// Of the module alone.
pub(crate) const FUNCTIONS: &[Row] = &[
    row("get_memory_limit() -> int", "How many bytes live arrays may hold.", |c| {
        c.give(device::memory_limit())
    }),
    row(
        "device_info(d: None | Device | DeviceType = None) -> dict[str, str | int]",
        "Facts about a device: its name and architecture.",
        |c| {
            let which: Bound<'_, PyAny> = c.next()?;
            let info = PyDict::new(c.py);
            if which.is_none() || crate::device::is_cpu(&which)? {
                info.set_item("architecture", std::env::consts::ARCH)?;
                info.set_item("device_name", processor())?;
            }
            Ok(info.into_any())
        },
    ),
];

/// What the machine calls its processor.
fn processor() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    name.map_or(std::env::consts::ARCH, |(_, name)| name.trim()).to_string()
}

/// Metal is not what kernels run on here, and its tools do nothing.
pub(crate) const METAL: &[Row] = &[
    row("is_available() -> bool", "Whether Metal is: never here.", |c| c.give(false)),
    row("device_info() -> dict[str, str | int]", "Facts about the Metal device: none.", |c| {
        Ok(PyDict::new(c.py).into_any())
    }),
    row("start_capture(path: str) -> None", "Does nothing without Metal.", |c| {
        let _: String = c.next()?;
        c.give(())
    }),
    row("stop_capture() -> None", "Does nothing without Metal.", |c| c.give(())),
];

/// CUDA is not there.
pub(crate) const CUDA: &[Row] =
    &[row("is_available() -> bool", "Whether CUDA is: not yet.", |c| c.give(false))];
