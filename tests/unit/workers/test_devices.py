"""`--device` takes transports, and says of everything else what it expected."""

from __future__ import annotations

from pathlib import Path

import pytest

from fixtures.runtimes import RUNTIMES
from harness.pipeline.selection import select
from harness.workers.devices import alone, devices, holds_one_model, recorded


@pytest.mark.parametrize(
    ("entry", "name", "transport"),
    [
        ("serial:/dev/ttyACM0@115200", "device", "serial:/dev/ttyACM0@115200"),
        ("/dev/ttyUSB1", "device", "/dev/ttyUSB1"),
        ("left=/dev/ttyUSB1", "device@left", "/dev/ttyUSB1"),
        ("m4.2=exec:qemu -M x=y", "device@m4.2", "exec:qemu -M x=y"),
        ("exec:./agent --model={model}", "device", "exec:./agent --model={model}"),
    ],
)
def test_a_transport_becomes_a_runtime(entry: str, name: str, transport: str) -> None:
    (found,) = devices([entry])
    assert (found.name, found.transport, found.base) == (name, transport, "device")
    assert found.native
    assert found.name not in RUNTIMES
    with alone(found):
        pass


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        (["ttyACM0"], "expected serial:PORT@BAUD"),
        (["serial:"], "expected serial:PORT@BAUD"),
        (["exec:  "], "expected serial:PORT@BAUD"),
        (["serial:/dev/ttyACM0@fast"], "a number for BAUD"),
        (["serial:@9600"], "a number for BAUD"),
        (["log:/nowhere/capture.txt"], "no such file; expected a captured serial log"),
        (["/dev/a", "/dev/b"], "two of the name device; expected LABEL=TRANSPORT"),
        (["x=/dev/a", "x=/dev/b"], "two of the name device@x"),
    ],
)
def test_anything_else_is_refused_with_what_was_expected(entries: list[str], expected: str) -> None:
    with pytest.raises(ValueError, match=r"^--device") as found:
        devices(entries)
    assert expected in str(found.value)


def test_the_catalogue_is_for_devices_that_take_any_model(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a device holds one model, and the catalogue has"):
        select(boards=["/dev/ttyACM0"])
    chosen = select(boards=["exec:./agent {model}"])
    assert "device" in [runtime.name for runtime in chosen.runtimes]
    assert len(chosen.boards()) == len(chosen.pairs())
    model = tmp_path / "my.tflite"
    model.write_bytes(b"")
    of_users = select(flatbuffers=[model], boards=["/dev/ttyACM0"])
    assert [case.id for case in of_users.boards()] == ["my.tflite/as-converted/device"]
    # Without a Keras model there is no budget: the suite of devices holds it to known kernels.
    assert "device" not in [case.runtime.name for case in of_users.parities() if case.runtime]
    keras = tmp_path / "my.keras"
    keras.write_bytes(b"")
    both = select([keras], [model], boards=["/dev/ttyACM0"])
    assert "device" in [case.runtime.name for case in both.parities() if case.runtime]


def test_without_a_device_there_is_none() -> None:
    assert select().boards() == []
    assert not [runtime for runtime in select().runtimes if runtime.transport]


def test_what_kind_of_device_it_is(tmp_path: Path) -> None:
    log = tmp_path / "capture.txt"
    log.write_text("")
    port, program, any_model, captured = devices(
        ["a=/dev/x", "b=exec:./agent", "c=exec:./agent {model}", f"d=log:{log}"]
    )
    assert [holds_one_model(each) for each in (port, program, any_model, captured)] == [
        *(True, True, False, True)
    ]
    assert [recorded(each) for each in (port, captured)] == [False, True]
    assert not holds_one_model(RUNTIMES["tflm"])
