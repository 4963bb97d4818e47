"""What happens on asking for a name that MLX has and this package does not."""

from ._mlx_names import NAMES


def absent(module):
    """The ``__getattr__`` of ``anymetal.<module>``."""

    def __getattr__(name):
        if name in NAMES[module]:
            raise AttributeError(
                f"mlx.{module} has {name}, and anymetal.{module} does not have it yet "
                f"(docs/compat.md lists what is there)"
            )
        raise AttributeError(f"module 'anymetal.{module}' has no attribute '{name}'")

    return __getattr__
