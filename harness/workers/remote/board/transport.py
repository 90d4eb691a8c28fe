"""Open what carries the bytes: a serial port, or a program's standard input and output.

Runs in a worker: the standard library, and pyserial where a port is opened.
"""

from __future__ import annotations

import os
import select
import shlex
import signal
import subprocess
import time
from typing import Any, List, Tuple

DEFAULT_BAUD = 115200
#: In a command: the path of a file with the flatbuffer.
PLACE = "{model}"


class DeviceError(Exception):
    """A device refused, or answered what makes no sense."""


class DeviceSilent(DeviceError):
    """A device did not answer in time."""


class DeviceReset(DeviceError):
    """A device was reset in the middle, or its program ended."""


class Program:
    """A command, its standard input and output. Starts it at once."""

    def __init__(self, text: str) -> None:
        self.text = text
        try:
            self._process = subprocess.Popen(
                shlex.split(text),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                bufsize=0,
                preexec_fn=_die_with_parent,
            )
        except OSError as error:
            raise DeviceError("exec:%s does not start: %s" % (text, error)) from error

    @property
    def usable(self) -> bool:
        return self._process.poll() is None

    def write(self, data: bytes) -> None:
        """Raises DeviceReset for a program that has ended, DeviceSilent for one that does not
        read."""
        assert self._process.stdin is not None
        fd = self._process.stdin.fileno()
        os.set_blocking(fd, False)
        ends = time.monotonic() + 5.0
        while data:
            _, ready, _ = select.select([], [fd], [], max(0.0, ends - time.monotonic()))
            if not ready:
                raise DeviceSilent("exec:%s does not read what it is sent" % self.text)
            try:
                data = data[os.write(fd, data) :]
            except BlockingIOError:
                continue
            except OSError:
                raise self._ended() from None

    def read(self, seconds: float) -> bytes:
        """What has come, waiting so long for the first byte; nothing where none came."""
        assert self._process.stdout is not None
        fd = self._process.stdout.fileno()
        if not select.select([fd], [], [], max(0.0, seconds))[0]:
            return b""
        data = os.read(fd, 65536)
        if not data:
            raise self._ended()
        return data

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()

    def _ended(self) -> DeviceReset:
        try:
            status = self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            return DeviceReset("exec:%s closed its output" % self.text)
        how = "exit status %d" % status if status >= 0 else signal.Signals(-status).name
        return DeviceReset("exec:%s ended: %s" % (self.text, how))


class Port:
    """A serial port, opened at once."""

    def __init__(self, path: str, baud: int) -> None:
        try:
            import serial
        except ImportError as error:
            raise DeviceError("a serial port needs the package pyserial: %s" % error) from error
        self.path = path
        self._serial: Any = None
        try:
            self._serial = serial.Serial(path, baud, timeout=0, write_timeout=5)
        except (serial.SerialException, ValueError, OSError) as error:
            raise DeviceError("serial:%s@%d cannot be opened: %s" % (path, baud, error)) from error
        _keep_lines_up(self._serial)
        self._late = serial.SerialTimeoutException
        self._lost = (serial.SerialException, OSError)

    @property
    def usable(self) -> bool:
        return bool(self._serial.is_open)

    def write(self, data: bytes) -> None:
        try:
            self._serial.write(data)
        except self._late:
            raise DeviceSilent("serial:%s takes no bytes" % self.path) from None
        except self._lost as error:
            raise self._gone(error) from None

    def read(self, seconds: float) -> bytes:
        try:
            if not select.select([self._serial.fileno()], [], [], max(0.0, seconds))[0]:
                return b""
            data: bytes = self._serial.read(65536)
        except self._lost as error:
            raise self._gone(error) from None
        if not data:  # readable, and nothing to read: the other side has hung up
            raise self._gone(None)
        return data

    def close(self) -> None:
        self._serial.close()

    def _gone(self, error: Any) -> DeviceReset:
        self._serial.close()
        text = "" if error is None else ": %s" % error
        return DeviceReset("serial:%s is gone%s" % (self.path, text))


def _keep_lines_up(port: Any) -> None:
    """Leave DTR as it is when the port is closed: its fall resets many boards."""
    try:
        import termios

        attributes: List[Any] = termios.tcgetattr(port.fileno())
        attributes[2] &= ~termios.HUPCL
        termios.tcsetattr(port.fileno(), termios.TCSANOW, attributes)
    except (ImportError, OSError, termios.error):
        return


def split(transport: str) -> Tuple[str, str]:
    """The scheme and what it is applied to: a path alone is a serial port.

    Raises ValueError, naming what was expected.
    """
    scheme, colon, rest = transport.partition(":")
    if colon and scheme in ("exec", "log", "serial") and rest.strip():
        return scheme, rest
    if transport.startswith("/") or transport.upper().startswith("COM"):
        return "serial", transport
    raise ValueError("expected serial:PORT@BAUD, a port's path, exec:COMMAND or log:FILE")


def port_of(rest: str) -> Tuple[str, int]:
    """Path and baud rate of `PATH@BAUD`. Raises ValueError."""
    path, _, baud = rest.partition("@")
    if not path or (baud and not baud.isdigit()):
        raise ValueError("expected serial:PORT@BAUD with a number for BAUD")
    return path, int(baud or DEFAULT_BAUD)


def _die_with_parent() -> None:
    import ctypes

    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
