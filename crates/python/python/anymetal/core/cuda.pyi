"""What ``mlx.core.cuda`` has."""

# Written by `cargo xtask stubs`.



def is_available() -> bool:
    """Whether CUDA is: not yet."""
