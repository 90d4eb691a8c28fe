"""Describe the processors and boards that an emulated Python can pretend to be.

A board's /proc/cpuinfo is what pytorch/cpuinfo, which XNNPACK asks, reads: without one, LiteRT from
2.2.0 on reads the host's and dies (measured on x86-64 with qemu 7.2). The numbers are those of
Arm's Technical Reference Manuals (MIDR_EL1 of each core).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Board:
    """A small computer. cpu: as qemu calls its core. variant, part, revision: of MIDR_EL1.
    hertz: its highest clock, which only programs that ask see."""

    name: str
    cpu: str
    variant: int
    part: int
    revision: int
    features: str
    hertz: int
    cores: int = 4

    def cpuinfo(self) -> str:
        """The text of /proc/cpuinfo."""
        return "\n".join(
            f"processor\t: {core}\nBogoMIPS\t: 108.00\nFeatures\t: {self.features}\n"
            "CPU implementer\t: 0x41\nCPU architecture: 8\n"
            f"CPU variant\t: {self.variant:#x}\nCPU part\t: {self.part:#x}\n"
            f"CPU revision\t: {self.revision}\n"
            for core in range(self.cores)
        )

    def files(self) -> dict[str, str]:
        """What programs read about the processor, by path below the root."""
        last = self.cores - 1
        found = {"proc/cpuinfo": self.cpuinfo()}
        folder = "sys/devices/system/cpu"
        found |= {f"{folder}/{name}": f"0-{last}\n" for name in ("online", "possible", "present")}
        found[f"{folder}/kernel_max"] = "255\n"
        for core in range(self.cores):
            frequency = f"{folder}/cpu{core}/cpufreq"
            found[f"{frequency}/cpuinfo_max_freq"] = f"{self.hertz // 1000}\n"
            found[f"{frequency}/cpuinfo_min_freq"] = "600000\n"
            topology = f"{folder}/cpu{core}/topology"
            found |= {
                f"{topology}/physical_package_id": "0\n",
                f"{topology}/core_id": f"{core}\n",
                f"{topology}/core_siblings_list": f"0-{last}\n",
                f"{topology}/thread_siblings_list": f"{core}\n",
            }
        return found


_ARMV8 = "fp asimd evtstrm crc32 cpuid"
_ARMV82 = (
    "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop "
    "asimddp"
)
_ARMV7 = "half thumb fastmult vfp edsp neon vfpv3 tls vfpv4 idiva idivt vfpd32 lpae evtstrm crc32"


@dataclass(frozen=True)
class Architecture:
    """One instruction set and what is needed to run it.

    debian: as Debian calls it. emulator: qemu's program. libc: the folder of its libraries.
    platforms: of wheels. numpy: from the lock file, or from Debian where there is no wheel.
    runtime: the runtime of the harness that its package is.
    """

    name: str
    debian: str
    emulator: str
    platforms: tuple[str, ...]
    boards: tuple[Board, ...]
    package: str
    runtime: str
    numpy_of_debian: bool = False
    #: Libraries that Debian reaches by alternatives, which only an installation sets up.
    libraries: tuple[str, ...] = ()

    def board(self, name: str) -> Board:
        """Raises ValueError for a board that is not known, with those that are."""
        for board in self.boards:
            if name in ("", board.name):
                return board
        known = ", ".join(board.name for board in self.boards)
        raise ValueError(f"--board {name}: unknown; known for {self.name} are {known}")


ARM64 = Architecture(
    "arm64",
    debian="arm64",
    emulator="qemu-aarch64",
    platforms=(
        "manylinux2014_aarch64",
        *(f"manylinux_2_{minor}_aarch64" for minor in (17, 27, 28, 34)),
    ),
    boards=(
        Board("pi4", "cortex-a72", 0x0, 0xD08, 3, _ARMV8, 1_800_000_000),
        Board("pi3", "cortex-a53", 0x0, 0xD03, 4, _ARMV8, 1_400_000_000),
        Board("pi5", "cortex-a76", 0x4, 0xD0B, 1, _ARMV82, 2_400_000_000),
    ),
    package="ai-edge-litert",
    runtime="litert",
)
ARMHF = Architecture(
    "armhf",
    debian="armhf",
    emulator="qemu-arm",
    platforms=("manylinux2014_armv7l", "manylinux_2_17_armv7l", "manylinux_2_34_armv7l"),
    boards=(Board("pi3", "cortex-a15", 0x0, 0xD03, 4, _ARMV7, 1_400_000_000),),
    package="tflite-runtime==2.14.0",
    runtime="tflite",
    numpy_of_debian=True,
    libraries=tuple(f"usr/lib/arm-linux-gnueabihf/{name}" for name in ("blas", "lapack")),
)
ARCHITECTURES = {architecture.name: architecture for architecture in (ARM64, ARMHF)}
