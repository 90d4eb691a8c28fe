"""The list of TFLite Micro's operators is asked for again from the installed wheel."""

from __future__ import annotations

import json
from importlib.metadata import version

from harness.structure.tflm_compatibility import PATH, operators
from harness.workers.client import Worker
from harness.workers.server_handle import Server
from tools.probe_tflm_operators import operator_names, registered


def test_the_list_of_operators_is_that_of_the_installed_wheel() -> None:
    assert json.loads(PATH.read_text())["tflite_micro"] == version("tflite_micro")
    server = Server(("tflm",))
    worker = Worker(server, "tflm")
    try:
        found = {name for name in operator_names() if registered(worker, name)}
    finally:
        worker.close()
        server.close()
    assert found == operators()
    assert {"UNIDIRECTIONAL_SEQUENCE_LSTM", "WHILE"} < found
    assert not {"BIDIRECTIONAL_SEQUENCE_LSTM", "LSTM", "REDUCE_ANY"} & found
