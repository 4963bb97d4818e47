"""``python -m anymetal SCRIPT.py``: runs a program written for MLX, unchanged."""

from anymetal.alias import install_as_mlx
from anymetal.script import main

main(
    "anymetal",
    "Runs a program in which `import mlx.core` gives anymetal.core.",
    install_as_mlx,
)
