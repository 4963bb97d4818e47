"""``python -m anymetal.mlx SCRIPT.py``: runs a program with Metal kernels on real MLX."""

from anymetal.script import main


def prepare(claim_metal=False):
    """Enables the bridge."""
    from anymetal.mlx import enable

    enable(claim_metal=claim_metal)


main(
    "anymetal.mlx",
    "Runs a program in which mx.fast.metal_kernel of real MLX works without Metal.",
    prepare,
    {"--claim-metal": "mx.metal.is_available() returns True"},
)
