"""What ``mlx.core.metal`` has. Metal itself is never available here."""

# Written by `cargo xtask stubs`.



def clear_cache() -> None:
    """Gives memory kept for reuse back to the system."""

def device_info() -> dict[str, str | int]:
    """Facts about the Metal device: none."""

def get_active_memory() -> int:
    """Bytes held by live arrays."""

def get_cache_memory() -> int:
    """Bytes kept for reuse."""

def get_peak_memory() -> int:
    """The most bytes live arrays have held."""

def is_available() -> bool:
    """Whether Metal is: never here."""

def reset_peak_memory() -> None:
    """Starts the peak anew from the present use."""

def set_cache_limit(limit: int) -> int:
    """Sets how many bytes may be kept for reuse; returns the former limit."""

def set_memory_limit(limit: int) -> int:
    """Sets how many bytes live arrays may hold; returns the former limit."""

def set_wired_limit(limit: int) -> int:
    """Accepted and without effect, as in MLX without Metal; returns 0."""

def start_capture(path: str) -> None:
    """Does nothing without Metal."""

def stop_capture() -> None:
    """Does nothing without Metal."""
