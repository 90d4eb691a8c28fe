"""Put recorded answers behind the C agent's hooks, and compile it for the host and for Cortex-M."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from string import Template

from harness.device import agent_files
from harness.workers.remote.board.log import Log

#: The cores that are emulated, and on which board: one without DSP instructions, one with.
#: (Debian 12's qemu-arm, which needs no board, aborts on every program for a Cortex-M.)
CORES = {"cortex-m3": "mps2-an385", "cortex-m4": "mps2-an386"}
_ARM = ("arm-none-eabi-gcc", "qemu-system-arm")
#: Where the board's processor begins: the stack's end and the C library's start.
_VECTORS = """\
#include <stdint.h>
extern void _start(void);
__attribute__((section(".vectors"), used)) static const uintptr_t vectors[] = {
    0x20400000u, (uintptr_t)_start};
"""
_WARNINGS = ("-Wall", "-Wextra", "-pedantic", "-Werror")
_TABLE = Template("""\
#include <string.h>

#include "lstm_agent.h"

#define OUTPUTS $outputs
static const unsigned char model[] = {$model};
static const uint32_t keys[] = {$keys};
static const unsigned char answers[][OUTPUTS] = {$answers};
static uint32_t key;
static unsigned char answer[OUTPUTS + 1];

int agent_setup(void) { key = 0; return 0; }
int agent_reset(void) { key = 0; return 0; }

/* The answer depends on every input since the reset. */
int agent_invoke(const unsigned char* input) {
  unsigned char crc[4];
  uint32_t k, found = agent_crc32(0, input, LSTM_AGENT_INPUT_BYTES);
  for (k = 0; k < 4; k++) crc[k] = (unsigned char)(found >> (8u * k));
  key = agent_crc32(key, crc, 4);
  for (k = 0; k < sizeof(keys) / sizeof(keys[0]); k++) {
    if (keys[k] == key) {
      memcpy(answer + 1, answers[k], OUTPUTS); /* at an odd address, on purpose */
      return 0;
    }
  }
  return 7;
}

void agent_output(uint32_t offset, unsigned char* to, uint32_t size) {
  memcpy(to, answer + 1 + offset, size);
}

int agent_value(uint32_t index, int32_t* thousandths) {
  if (index >= 2) return 0;
  *thousandths = index == 0 ? -1250 : 62;
  return 1;
}

const unsigned char* agent_model(uint32_t* size) { *size = sizeof(model); return model; }
uint32_t agent_input_bytes(void) { return LSTM_AGENT_INPUT_BYTES; }
uint32_t agent_output_bytes(void) { return OUTPUTS; }
uint32_t agent_arena_used(void) { return 1111; }
uint32_t agent_arena_bytes(void) { return 2222; }
""")


def table_text(log: Log, model: bytes, outputs: int) -> str:
    """The hooks as C, with every answer of a log."""
    import zlib

    keys, answers = [], []
    for history, (_, content) in log.answers.items():
        key = 0
        for crc in history:
            key = zlib.crc32(int(crc, 16).to_bytes(4, "little"), key)
        keys.append(f"{key}u")
        answers.append("{" + ",".join(map(str, content)) + "}")
    return _TABLE.substitute(
        outputs=outputs,
        model=",".join(map(str, model)),
        keys=",".join(keys),
        answers=",\n".join(answers),
    )


def missing(target: str) -> str:
    """Why an agent cannot be built and run for a target (`host` or a core); empty where it can."""
    if target == "host":
        return "" if shutil.which("gcc") or shutil.which("cc") else "no C compiler"
    without = [name for name in _ARM if shutil.which(name) is None]
    names = "gcc-arm-none-eabi, libnewlib-arm-none-eabi, qemu-system-arm"
    return f"no {' and no '.join(without)} (Debian: {names})" if without else ""


def build(folder: Path, table: str, inputs: int, outputs: int, target: str) -> str:
    """Compile the agent with a table; the command that runs it."""
    for name in ("lstm_agent.h", "lstm_agent.c", "main.c"):
        (folder / name).write_text((agent_files.SOURCES / name).read_text())
    (folder / "agent_config.h").write_text(
        agent_files.config_text(f"table on {target}", inputs, outputs, "a table")
    )
    (folder / "table.c").write_text(table)
    (folder / "vectors.c").write_text(_VECTORS)
    program = folder / f"agent-{target}"
    sources = [str(folder / name) for name in ("lstm_agent.c", "main.c", "table.c")]
    if target == "host":
        compiler = [shutil.which("gcc") or "cc", "-std=gnu99", "-O1", "-DLSTM_AGENT_HOST_CLOCK"]
    else:
        compiler = ["arm-none-eabi-gcc", f"-mcpu={target}", "-mthumb", "-std=c99", "-Os"]
        compiler += ["--specs=rdimon.specs", "-mno-unaligned-access"]
        compiler += ["-Wl,--section-start=.vectors=0x0"]
        sources.append(str(folder / "vectors.c"))
    done = subprocess.run(
        [*compiler, *_WARNINGS, *sources, "-o", str(program)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    if done.returncode:
        raise AssertionError(done.stderr)
    if target == "host":
        return str(program)
    return (
        f"qemu-system-arm -M {CORES[target]} -nographic -monitor none -serial none "
        f"-semihosting-config enable=on,target=native -kernel {program}"
    )
