"""Every code block of the README and of docs/ runs.

Python blocks of a page run in order, in one namespace; what a block prints must be the `text`
block that follows it, if one does. Shell blocks run here too, except commands of which CI itself
consists. Rust blocks are run by `cargo test --doc`.
"""

import contextlib
import io
import os
import pathlib
import re
import subprocess
import sys

import pytest

import anymetal.core as mx

ROOT = pathlib.Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)

# Commands that CI runs itself, and where.
ELSEWHERE = {
    "pip install .": "`cargo xtask test` installs the package so",
    "cargo xtask test": "CI's own command",
    "cargo xtask tour": "a release build of what the tests build; its examples are tests too",
}


def blocks(page):
    """(language, text, line) of each block."""
    text = page.read_text()
    for match in BLOCK.finditer(text):
        yield match[1], match[2], text.count("\n", 0, match.start()) + 1


def name(page):
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_python_blocks(page):
    found = list(blocks(page))
    namespace = {"__name__": "__main__"}
    for (language, text, line), following in zip(found, [*found[1:], ("", "", 0)]):
        if language != "python":
            continue
        if "mlx.core" in text and "anymetal.mlx" in text:
            pytest.importorskip("mlx.core")
        # The line number of an error is that of the page.
        code = compile("\n" * line + text, str(page), "exec")
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(code, namespace)
        if following[0] == "text" or printed.getvalue():
            assert printed.getvalue() == following[1], f"{name(page)}:{line}"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_shell_blocks(page):
    path = os.pathsep.join([str(pathlib.Path(sys.executable).parent), os.environ["PATH"]])
    modules = os.pathsep.join(p for p in sys.path if p)
    environment = {**os.environ, "PATH": path, "PYTHONPATH": modules}
    for language, text, line in blocks(page):
        for command in text.splitlines() if language == "sh" else []:
            if command not in ELSEWHERE:
                done = subprocess.run(
                    command, shell=True, cwd=ROOT, env=environment, capture_output=True, text=True
                )
                assert done.returncode == 0, f"{name(page)}:{line}: {command}\n{done.stderr}"


def test_languages_are_known():
    """A block in a language that nothing runs would rot."""
    for page in PAGES:
        for language, _, line in blocks(page):
            known = ("python", "sh", "rust", "toml", "text")
            assert language in known, f"{name(page)}:{line}: {language!r}"


@pytest.mark.parametrize(
    "function", ["rms_norm", "layer_norm", "rope", "scaled_dot_product_attention", "metal_kernel"]
)
def test_reference_pages_have_the_signature(function):
    _, text, _ = next(blocks(ROOT / "docs" / f"{function}.md"))
    assert text.strip() == getattr(mx.fast, function).signature


def test_links_lead_somewhere():
    for page in PAGES:
        text = BLOCK.sub("", page.read_text())
        for target in re.findall(r"\]\(([^)]+)\)", text):
            if target.startswith("http"):
                continue
            file, _, anchor = target.partition("#")
            linked = (page.parent / file) if file else page
            assert linked.exists(), f"{name(page)}: {target}"
            if anchor:
                heads = re.findall(r"^#+ (.*)$", linked.read_text(), re.M)
                anchors = [re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in heads]
                assert anchor in anchors, f"{name(page)}: {target}"
