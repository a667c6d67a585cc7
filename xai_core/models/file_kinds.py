"""Says what a file is that was given as weights and is none: a true reason, and what to do instead."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from xai_core.errors import BadInput, NotFound

AGAIN = "Download the file itself."
CONVERT = "Load the model in its own framework, and save its weights from PyTorch: model.state_dict()."
UNPACK = "Unpack it, and give the weights file in it."
STATE_DICT = "Load it with torch.jit.load, and save model.state_dict() from there."

STARTS: Sequence[tuple[bytes, str, str]] = (
    (b"version https://git-lfs", "a Git LFS pointer, in place of the file", "Run git lfs pull to get the file."),
    (b"<", "a web page, perhaps of an error or a login", AGAIN),
    (b"\x89HDF", "HDF5, as Keras writes it", CONVERT),
    (b"GGUF", "GGUF", CONVERT),
    (b"\x1f\x8b", "a gzip archive", UNPACK),
    (b"BZh", "a bzip2 archive", UNPACK),
    (b"\xfd7zXZ", "an xz archive", UNPACK),
    (b"7z\xbc\xaf", "a 7z archive", UNPACK),
    (b"Rar!", "a RAR archive", UNPACK),
    (b"\x93NUMPY", "a NumPy array", CONVERT),
    (b"\x89PNG", "a picture", AGAIN),
    (b"\xff\xd8\xff", "a picture", AGAIN),
)
"""How files begin, what they then are, and what to do."""

INSIDE: Sequence[tuple[str, str, str]] = (
    ("/constants.pkl", "TorchScript", STATE_DICT),
    ("/archive_format", "an exported program of torch.export", CONVERT),
    (".weights.h5", "Keras", CONVERT),
    ("saved_model.pb", "TensorFlow", CONVERT),
    (".npy", "NumPy arrays", CONVERT),
    (".mlmodel", "Core ML", CONVERT),
    (".onnx", "a zip archive with ONNX in it", CONVERT),
)
"""How a name in a zip archive ends, what that then is, and what to do."""

NAMES = {".onnx": "ONNX", ".tflite": "TensorFlow Lite", ".pb": "TensorFlow", ".h5": "Keras"}
"""For formats that begin with nothing of their own."""


@contextmanager
def told_file(path: Path) -> Iterator[None]:
    """Within, a file is read. Raises NotFound where it is none, and BadInput where it is of another kind, or closed."""
    try:
        if not path.is_file():
            inside = " (a folder)" if path.is_dir() else ""
            raise NotFound("no weights file there", value=f"{path}{inside}", remedy="Check the path.")
        _refuse_other_kinds(path)
        yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        remedy = f"Check the path and its permissions ({reason})."
        raise NotFound("the weights file cannot be read", value=path, remedy=remedy) from None


def looks_pickled(path: Path) -> bool:
    """Zip archives and bare pickles; a safetensors file starts with the length of its JSON header, then `{`."""
    start = _start(path, 9)
    return start[8:] != b"{" and start.startswith((b"PK\x03\x04", b"\x80"))


def _refuse_other_kinds(path: Path) -> None:
    kind, remedy = _kind(path)
    if kind:
        raise BadInput(f"not a weights file, but {kind}", value=path, remedy=remedy)


def _kind(path: Path) -> tuple[str, str]:
    """What a file is other than weights, and what to do; two empty texts where it may be weights."""
    start = _start(path, 512)
    if not start:
        return "an empty file", "Copy or download it again."
    if start[8:9] == b"{":
        return "", ""
    if start.startswith(b"PK\x03\x04"):
        return _zip_kind(path)
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    for beginning, kind, remedy in STARTS:
        if text.startswith(beginning):
            return kind, remedy
    if start[4:8] == b"TFL3":
        return "TensorFlow Lite", CONVERT
    if start[257:262] == b"ustar":
        return "a tar archive", UNPACK
    if start[:1] == b"\x08" and (b"pytorch" in start or b"onnx" in start.lower()):
        return "ONNX", CONVERT
    if start[:1] != b"\x80" and path.suffix.lower() in NAMES:
        return NAMES[path.suffix.lower()], CONVERT
    return ("text", "Give safetensors, or a state dict saved with torch.save.") if _is_text(start) else ("", "")


def _zip_kind(path: Path) -> tuple[str, str]:
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except zipfile.BadZipFile:
        return "", ""  # cut off: torch says so
    names = [entry.filename for entry in entries]
    for end, kind, remedy in INSIDE:
        if any(f"/{name}".endswith(end) for name in names):
            return kind, remedy
    if not any(f"/{name}".endswith("/data.pkl") for name in names):
        return f"a zip archive of something else ({', '.join(names[:2]) or 'nothing'})", UNPACK
    if sum(entry.file_size for entry in entries) > 2 * path.stat().st_size:  # torch.save compresses nothing
        return "an archive that claims to hold more than it does", "Take a file from another source."
    return "", ""


def _is_text(start: bytes) -> bool:
    return all(32 <= byte < 127 or byte in b"\t\r\n" for byte in start)


def _start(path: Path, length: int) -> bytes:
    with path.open("rb") as file:
        return file.read(length)
