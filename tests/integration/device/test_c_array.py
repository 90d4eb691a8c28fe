"""A compiler makes the flatbuffer of the C array again, and every way it could not is seen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from harness.device.c_array import (
    CompileError,
    Compiler,
    difference,
    find_compiler,
    header_text,
    read_back,
    source_text,
    symbol_of,
)

COMPILER = find_compiler()
CONTENT = np.random.default_rng(7).integers(0, 256, 1003).astype(np.uint8).tobytes()
SYMBOL = "g_my_model_int8_model"

needs_compiler = pytest.mark.skipif(
    COMPILER is None, reason="no C++ compiler: the harness reports C arrays as untested then"
)


def _files(folder: Path, change: Callable[[str], str] = lambda text: text) -> tuple[Path, Path]:
    source, header = folder / "model.cc", folder / "model.h"
    header.write_text(header_text(SYMBOL, len(CONTENT), 4208, "my model (int8)"))
    text = source_text(SYMBOL, CONTENT, "my model (int8)")
    source.write_text(change(text))
    return source, header


def _read(folder: Path, change: Callable[[str], str] = lambda text: text) -> bytes:
    assert COMPILER is not None
    return read_back(COMPILER, *_files(folder, change), SYMBOL)


@needs_compiler
def test_what_is_compiled_is_what_was_written(tmp_path: Path) -> None:
    assert _read(tmp_path) == CONTENT
    assert difference(CONTENT, _read(tmp_path)) == ""


@needs_compiler
def test_a_corrupted_byte_is_named(tmp_path: Path) -> None:
    wrong = f"0x{CONTENT[24] ^ 0x10:02x},"
    line = "    " + " ".join(f"0x{byte:02x}," for byte in CONTENT[24:36])
    found = _read(tmp_path, lambda text: text.replace(line, line.replace(line[4:9], wrong, 1)))
    assert difference(CONTENT, found).startswith(f"byte 24 of the C array is 0x{found[24]:02x}")


@needs_compiler
def test_a_missing_byte_does_not_compile(tmp_path: Path) -> None:
    with pytest.raises(CompileError, match="another length"):
        _read(tmp_path, lambda text: text.replace(f"    0x{CONTENT[0]:02x},", "   ", 1))


@needs_compiler
@pytest.mark.parametrize("off", [-1, 1])
def test_a_wrong_length_is_caught_though_it_compiles(tmp_path: Path, off: int) -> None:
    size = len(CONTENT)

    def change(text: str) -> str:
        return text.replace(f"_len = {size};", f"_len = {size + off};")

    found = _read(tmp_path, change)
    assert difference(CONTENT, found) == (
        f"the C array has {size + off} bytes, the flatbuffer {size}"
    )


@needs_compiler
def test_an_array_that_is_not_aligned_is_caught(tmp_path: Path) -> None:
    """Nothing in C++ makes an array less aligned, so the assembler places it one byte off."""
    values = ",".join(map(str, CONTENT))

    def change(text: str) -> str:
        return (
            '#include "model.h"\n'
            f'asm(".section .rodata\\n.balign 16\\n.byte 0\\n.globl {SYMBOL}\\n{SYMBOL}:\\n'
            f'.byte {values}\\n.text\\n");\n'
            f"const unsigned int {SYMBOL}_len = {len(CONTENT)};\n"
        )

    with pytest.raises(CompileError, match="1 bytes past a multiple of 16"):
        _read(tmp_path, change)


@needs_compiler
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace(SYMBOL, "g_another_model"), "refused the C array"),
        (lambda text: text.replace("};", "}", 1), "refused the C array"),
        (lambda text: text.replace("0x", "0y", 1), "refused the C array"),
        (lambda text: text.replace(" 0x", " 0x1", 1), "refused the C array"),
        (lambda text: text.replace('"model.h"', '"modell.h"'), "refused the C array"),
    ],
)
def test_source_that_is_not_right_is_refused(
    tmp_path: Path, change: Callable[[str], str], message: str
) -> None:
    with pytest.raises(CompileError, match=message):
        _read(tmp_path, change)


def test_the_header_has_what_firmware_uses() -> None:
    text = header_text(SYMBOL, len(CONTENT), 4208, "my model (int8)")
    assert f"extern const unsigned char {SYMBOL}[];" in text
    assert f"extern const unsigned int {SYMBOL}_len;" in text
    assert f"constexpr unsigned int {SYMBOL}_arena_bytes = 4208;" in text
    assert f"alignas(16) const unsigned char {SYMBOL}[] = {{" in source_text(SYMBOL, CONTENT, "x")


@pytest.mark.parametrize(
    "name", ["a\nb", "a\\", "a \\\n #error", "??/", "*/", 'q"uote', "ü – 模型", "%s$x"]
)
@needs_compiler
def test_no_name_of_a_file_breaks_the_source(tmp_path: Path, name: str) -> None:
    assert COMPILER is not None
    symbol = symbol_of(name, "int8")
    assert symbol.isidentifier()
    assert symbol.isascii()
    source, header = tmp_path / "model.cc", tmp_path / "model.h"
    header.write_text(header_text(symbol, 4, 16, name))
    source.write_text(source_text(symbol, b"TFL3", name))
    assert read_back(COMPILER, source, header, symbol) == b"TFL3"


def test_the_compiler_is_the_one_that_was_named(tmp_path: Path) -> None:
    mine = tmp_path / "my c++"
    mine.write_text("#!/bin/sh\necho 'mine 1.0'\n")
    mine.chmod(0o755)
    quoted = f"'{mine}' -O2"
    expected = Compiler((str(mine), "-O2"), "mine 1.0")
    assert find_compiler(quoted, {"PATH": "", "CXX": "absent"}) == expected
    assert find_compiler(None, {"PATH": "", "CXX": quoted}) == expected
    (tmp_path / "clang++").symlink_to(mine)
    found = find_compiler(None, {"PATH": str(tmp_path)})
    assert found is not None
    assert found.command == (str(tmp_path / "clang++"),)


def test_no_compiler_is_none_and_a_wrong_one_an_error() -> None:
    assert find_compiler(None, {"PATH": ""}) is None
    for asked_for, variables, name in (
        ("absent++", {"PATH": ""}, "--cxx absent[+][+]"),
        (None, {"PATH": "", "CXX": "absent++"}, "[$]CXX absent[+][+]"),
        ("false", {"PATH": "/bin:/usr/bin"}, "--cxx false"),
    ):
        with pytest.raises(ValueError, match=f"{name}: no C[+][+] compiler"):
            find_compiler(asked_for, variables)
