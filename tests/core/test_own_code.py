"""Code of the user's own: apart for each folder, known again when edited, built without surprises, asked with care."""

from __future__ import annotations

import os
import re
import socket
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.core.own_code_cases import NET, RGB, load, project
from xai_core.errors import BadInput, NotFound
from xai_core.models.build import imported
from xai_core.models.builder import _called
from xai_core.models.probe import answers, check_answers
from xai_core.models.weights import fingerprint

LAZY = """
class Lazy(Net):
    def __init__(self, classes):
        super().__init__(classes)
        self.head = nn.LazyLinear(classes)
"""

COUNTING = """
class Counting(Net):
    def __init__(self, classes):
        super().__init__(classes)
        self.register_buffer("calls", torch.zeros(()))
    def forward(self, x):
        self.calls += 1
        return super().forward(x)
"""

KEEPING = """
class Keeping(Net):
    scale = None
    def forward(self, x):
        if self.scale is None:
            self.scale = torch.ones(1, 4) / 2
        return self.head(self.features(x) * self.scale)
"""


def scaled(by: int) -> str:
    """A module whose helper, a lazy helper and a package each take part in what the model answers."""
    return f"""
        from torch import nn
        import helper
        from parts.body import body
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.head = nn.Linear(3, 2)
                nn.init.ones_(self.head.weight)
            def forward(self, x):
                import lazy
                from parts import late
                return self.head(body(x) * {by} * helper.BY * lazy.BY * late.BY)
        def build():
            return Net()
    """


def scaled_project(folder: Path, by: int) -> Path:
    body = "from . import inner\ndef body(x):\n    return x.mean((2, 3)) * inner.BY\n"
    factor = f"BY = {by}\n"
    parts = {"parts__body": body, "parts__inner": factor, "parts__late": factor}
    return project(folder, model=scaled(by), helper=factor, lazy=factor, **parts)


def test_two_projects_with_the_same_names_keep_their_own_code(tmp_path: Path) -> None:
    one, two = (load(scaled_project(tmp_path / str(by), by)) for by in (1, 2))
    x = torch.ones(1, 3, 16, 16)
    for made, factor in ((one, 1), (two, 2**5), (one, 1)):
        bias = made.module.head.bias
        assert torch.allclose(made.logits(x) - bias, torch.full((1, 2), 3.0 * factor)), factor
    assert not {"model", "helper", "lazy", "parts"} & {name.partition(".")[0] for name in sys.modules}
    names = {"model", "helper", "lazy", "parts.body", "parts.inner", "parts.late"}
    assert one.code is not None
    assert set(one.code.digests) == names


def test_places_that_a_project_adds_to_the_path_are_its_own(tmp_path: Path) -> None:
    for by in (1, 2):
        add = "import sys, os; sys.path.append(os.path.join(os.path.dirname(__file__), 'src'))\n"
        build = "\ndef scaled(k):\n    import early\n    return Scaled(k)\n"
        lazy = "        import factor\n        return super().forward(x) * 0 + factor.BY\n"
        code = f"{add}{NET}\nclass Scaled(Net):\n    def forward(self, x):\n{lazy}{build}"
        project(tmp_path / str(by), model=code, src__factor=f"BY = {by}", src__early="")
    before = list(sys.path)
    for by in (1, 2):
        made = load(tmp_path / str(by), "model:scaled")
        assert made.logits(torch.zeros(1, 3, 16, 16)).tolist() == [[by, by]]
        assert made.code is not None
        assert set(made.code.digests) == {"model", "early", "factor"}
        known = dict(made.code.digests)
        (tmp_path / str(by) / "model.py").touch()  # so that it is loaded anew
        load(tmp_path / str(by), "model:scaled", known=known)
    assert sys.path == before


def test_code_that_this_process_has_loaded_itself_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(project(tmp_path / "elsewhere", model="BY = 7", helper="BY = 7"))
    import model  # type: ignore[import-not-found]

    made = load(scaled_project(tmp_path / "own", 1))
    assert made.module.__class__.__name__ == "Net"
    assert sys.modules["model"] is model
    sys.modules.pop("model")


@pytest.mark.parametrize("file", ["model", "helper", "lazy", "parts/inner", "parts/late"])
def test_an_edited_file_is_noticed_and_named(tmp_path: Path, file: str) -> None:
    folder = scaled_project(tmp_path, 1)
    made = load(folder)
    assert made.code is not None
    assert not made.code.edited()
    known = dict(made.code.digests)
    path = folder / f"{file}.py"
    before, times = path.read_text(), path.stat()
    path.write_text(before.replace("1", "2"))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns + 1))  # of the same size, in the same second
    assert made.code.edited()
    says = f"imported with: {file.replace('/', '.')}. Put the old code back, or import"
    with pytest.raises(BadInput, match=re.escape(says)):
        load(folder, known=known)
    path.write_text(before)
    assert load(folder, known=known).code is not made.code


def test_a_file_that_is_left_alone_is_loaded_once(tmp_path: Path) -> None:
    folder = project(tmp_path, model=NET)
    assert load(folder).code is load(folder).code


def test_another_answer_is_noticed_and_rounding_is_not(tmp_path: Path) -> None:
    made = load(project(tmp_path, model=NET))
    known = torch.tensor(answers(made))
    check_answers(made, known)
    check_answers(made, known * 1.002)
    with torch.no_grad():
        made.module.head.weight.mul_(1.2)
    with pytest.raises(BadInput, match=r"does not answer as it did.*import the model under another name"):
        check_answers(made, known)
    with pytest.raises(BadInput, match="does not answer as it did"):
        check_answers(made, known[:, :1])


def test_modules_of_installed_packages_are_shared(tmp_path: Path) -> None:
    made = imported(
        "torchvision.models:resnet18",
        None,
        ("a", "b"),
        replace(RGB, width=32, height=32),
        trusted=True,
        folder=tmp_path,
    )
    assert made.code is not None
    assert made.code.digests == {}
    assert made.module.fc.out_features == 2


# what functions that build models look like


@pytest.mark.parametrize(
    ("function", "given"),
    [
        (lambda k: k, 2),
        (lambda num_classes=10: num_classes, 2),
        (lambda *, nb_classes=10: nb_classes, 2),
        (lambda n_labels=10, pretrained=True: (n_labels, pretrained), (2, False)),
        (lambda *, weights="DEFAULT", num_classes=10, **rest: (weights, num_classes, rest), (None, 2, {})),
        (lambda pretrained=False, **rest: (pretrained, rest), (False, {"num_classes": 2})),
        (
            lambda pretrained=True, progress=True, **rest: (pretrained, progress, rest),
            (False, True, {"num_classes": 2}),
        ),
        (lambda pretrained, **rest: (pretrained, rest), (None, {"num_classes": 2})),
        (lambda *places, **rest: (places, rest), ((), {"num_classes": 2})),
        (lambda *places: places, (2,)),
        (lambda k, /: k, 2),
        (lambda *, k: k, 2),
        (lambda classes=("a", "b", "c"), width=3: (classes, width), (("a", "b", "c"), 3)),
        (lambda width=3: width, 3),
        (lambda: 0, 0),
    ],
)
def test_the_number_of_classes_goes_where_it_belongs(function: Callable[..., object], given: object) -> None:
    assert _called(function, 2) == given


def test_keywords_that_are_handed_on_to_something_without_classes_are_not_forced() -> None:
    def inner(width: int = 3) -> int:
        return width

    assert _called(lambda **rest: inner(**rest), 2) == 3


DOWNLOADS = """
import socket, urllib.request, torch
def by_hub(k): return torch.hub.load_state_dict_from_url("http://weights.invalid/never-there.pth")
def by_url(k): return urllib.request.urlopen("http://weights.invalid/w.pth")
def by_address(k): return socket.create_connection(("192.0.2.1", 80), timeout=1)
"""


@pytest.mark.parametrize(
    ("function", "host"), [("by_hub", "weights.invalid"), ("by_url", "weights.invalid"), ("by_address", "192.0.2.1")]
)
def test_nothing_is_fetched_while_a_model_is_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, function: str, host: str
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    before = socket.getaddrinfo
    with pytest.raises(BadInput, match=f"{function} wants to fetch something from the network: {host}"):
        load(project(tmp_path, model=DOWNLOADS), f"model:{function}")
    assert socket.getaddrinfo is before


# whatever the user's code raises

RAISES = {
    "exits": ("import sys; sys.exit(3)", r"model:build failed: it called sys.exit\(3\)"),
    "stops": ("raise KeyboardInterrupt", "model:build failed: KeyboardInterrupt"),
    "own": ("class Odd(BaseException): pass\nraise Odd('so')", "failed: Odd: so"),
    "mute": ("class Odd(Exception):\n    def __str__(self): raise ValueError\nraise Odd", "failed: Odd. Correct"),
    "endless": ("def f(): return f()\nf()", "failed: RecursionError"),
    "asks": ("input()", "failed: EOFError"),
    "syntax": ("def", "failed: SyntaxError"),
    "report": (
        "raise RuntimeError('x\\nTraceback (most recent call last):\\n  f\\nValueError: deep')",
        "ValueError: deep",
    ),
    "missing": ("import surely_not_there", "no Python module for model:build: surely_not_there"),
    "cuda": ("raise AssertionError('Torch not compiled with CUDA enabled')", "use its input's device"),
}


@pytest.mark.parametrize("case", RAISES)
def test_whatever_a_module_raises_is_one_line(tmp_path: Path, case: str) -> None:
    code, says = RAISES[case]
    with pytest.raises((BadInput, NotFound), match=says) as caught:
        load(project(tmp_path, model=code))
    assert "\n" not in str(caught.value)
    assert "Traceback" not in str(caught.value)


def test_what_a_module_prints_warns_of_and_asks_of_the_command_line_disturbs_nothing(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "argv", ["xai", "import", "--run", "m"])
    loud = "import argparse, warnings\nprint('hello')\nargparse.ArgumentParser().parse_args()\n"
    loud += f"warnings.simplefilter('always'); warnings.warn('two\\nlines {tmp_path.name}')\n"
    load(project(tmp_path, model=loud + NET))
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err == "hello\n"
    assert f"UserWarning: two lines {tmp_path.name}" in caplog.messages
    assert sys.argv[0] == "xai"


def test_what_a_module_sets_for_all_of_torch_ends_with_it(tmp_path: Path) -> None:
    sets = "torch.set_default_dtype(torch.float64); torch.set_grad_enabled(False); torch.set_default_device('meta')"
    sets += "; torch.set_float32_matmul_precision('medium'); torch.use_deterministic_algorithms(True)"
    project(tmp_path, model=f"{NET}\ndef sets(k):\n    {sets}\n    return 0\n")
    with pytest.raises(BadInput, match="returned no model: int"):
        load(tmp_path, "model:sets")
    assert torch.get_default_dtype() == torch.float32
    assert torch.is_grad_enabled()
    assert torch.zeros(1).device.type == "cpu"
    assert torch.get_float32_matmul_precision() == "highest"
    assert not torch.are_deterministic_algorithms_enabled()


@pytest.mark.parametrize("ending", ["raise ValueError('four')", "raise SystemExit(4)"])
def test_what_fails_only_where_the_layer_is_looked_at_is_one_line(tmp_path: Path, ending: str) -> None:
    picky = f"class Picky(Net):\n    def forward(self, x):\n        if len(x) == 4: {ending}\n"
    project(tmp_path, model=f"{NET}\n{picky}        return super().forward(x)\n")
    with pytest.raises(BadInput, match="model:Picky failed"):
        imported("model:Picky", None, ("cat", "dog"), RGB, cam_layer="conv", trusted=True, folder=tmp_path)


def test_the_working_folder_is_put_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    load(project(tmp_path, model="import os; os.chdir('/')\n" + NET))
    assert Path.cwd() == tmp_path


def test_a_model_that_the_module_holds_ready_is_taken_and_left_alone(tmp_path: Path) -> None:
    made = load(project(tmp_path, model=NET + "\nready = Net(2)\n"), "model:ready")
    assert made.code is not None
    ready = made.code.function("model:ready")
    assert type(made.module) is type(ready)
    assert made.module is not ready


def test_a_layer_without_a_shape_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"no shape before it is first used: head\.weight\. Give the layer its sizes"):
        load(project(tmp_path, model=NET + LAZY), "model:Lazy")


def test_what_a_model_counts_is_not_taken_for_other_weights(tmp_path: Path) -> None:
    made = load(project(tmp_path, model=NET + COUNTING), "model:Counting")
    answers(made)
    assert made.module.get_buffer("calls").item() == 0
    assert fingerprint(made.module, made.architecture, made.preprocess) == made.fingerprint


def test_what_a_model_keeps_from_one_call_serves_the_next(tmp_path: Path) -> None:
    made = load(project(tmp_path, model=NET + KEEPING), "model:Keeping")
    x = torch.zeros(1, *made.input_shape, requires_grad=True)
    made.logits(x).sum().backward()
    assert x.grad is not None
