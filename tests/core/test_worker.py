"""The warm process: it fills the store, puts urgent work first, can be cancelled, and comes back when it died."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import tiny_study
from xai_core.explainers import EXPLAINERS
from xai_core.store.study import Study
from xai_core.worker.client import WorkerClient
from xai_core.worker.requests import Explain

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return tiny_study.make(tmp_path_factory.mktemp("worker"))


@pytest.fixture(scope="module")
def client() -> Iterator[WorkerClient]:
    client = WorkerClient(device="cpu", threads=1)
    yield client
    client.stop()


def wait(true: Callable[[], bool], seconds: float = 200) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "too long"
        time.sleep(0.02)


def finished(client: WorkerClient, job: str) -> bool:
    known = client.job(job)
    return known is not None and not known.open


def state(study: Study, rows: list[int], method: str, **values: object) -> list[int]:
    run = study.run("baseline")
    keys = [target.key for target in run.targets(rows, "predicted")]
    maps = run.maps(method, EXPLAINERS[method].params(**values))
    return maps.state(rows, keys).tolist() if maps else [0] * len(rows)


def test_a_request_fills_the_store(study: Study, client: WorkerClient) -> None:
    rows = study.rows("test")[:5].tolist()
    job = client.ask(
        Explain(
            study=study.path,
            run="baseline",
            rows=rows,
            target="predicted",
            methods=[("ig", {"steps": 4}), ("gradcam", {})],
        )
    )
    wait(lambda: finished(client, job))
    known = client.job(job)
    assert known is not None
    assert (known.state, known.done, known.total) == ("done", 10, 10), known
    assert state(study, rows, "gradcam") == [1] * 5
    assert state(study, rows, "ig", steps=4) == [1] * 5
    assert client.status().alive
    assert client.status().device == "cpu"


def test_a_mistake_is_told_and_the_process_lives_on(study: Study, client: WorkerClient) -> None:
    job = client.ask(
        Explain(
            study=study.path, run="baseline", rows=[0], target="predicted", methods=[("gradcam", {"layer": "nowhere"})]
        )
    )
    wait(lambda: finished(client, job))
    known = client.job(job)
    assert known is not None
    assert known.state == "failed"
    assert "no layer of this name" in (known.error or "")
    assert client.status().alive


def test_urgent_work_comes_between_the_steps_of_a_long_job_which_can_be_cancelled(
    study: Study, client: WorkerClient
) -> None:
    rows = study.rows("train").tolist()
    long = client.ask(
        Explain(
            study=study.path, run="baseline", rows=rows, target="true", methods=[("ig", {"steps": 400})], urgent=False
        )
    )
    wait(lambda: (client.job(long) or pytest.fail("forgotten")).done > 0)
    urgent = client.ask(
        Explain(study=study.path, run="baseline", rows=rows[:2], target="predicted", methods=[("gradcam++", {})])
    )
    wait(lambda: finished(client, urgent))
    still = client.job(long)
    assert still is not None
    assert still.open, "the long job was not waited for"
    assert still.seconds_left is None or still.seconds_left > 0
    client.cancel(long)
    wait(lambda: finished(client, long))
    known = client.job(long)
    assert known is not None
    assert known.state == "cancelled"


def test_a_killed_worker_is_told_and_comes_back(study: Study, client: WorkerClient) -> None:
    client.start()
    process = client._process
    assert process is not None
    rows = study.rows("train").tolist()
    job = client.ask(
        Explain(study=study.path, run="baseline", rows=rows, target="predicted", methods=[("ig", {"steps": 300})])
    )
    wait(lambda: (client.job(job) or pytest.fail("forgotten")).done > 0)
    os.kill(process.pid, signal.SIGKILL)
    wait(lambda: finished(client, job))
    known = client.job(job)
    assert known is not None
    assert known.state == "failed"
    assert "ended unexpectedly" in (known.error or "")
    again = client.ask(
        Explain(study=study.path, run="baseline", rows=rows[:4], target="predicted", methods=[("ig", {"steps": 300})])
    )
    wait(lambda: finished(client, again))
    assert state(study, rows[:4], "ig", steps=300) == [1] * 4


def test_the_same_open_request_is_one_job(study: Study, client: WorkerClient) -> None:
    words = {"study": study.path, "run": "baseline", "rows": [0, 1], "target": "true", "methods": [("gradcam", {})]}
    first = client.ask(Explain(**words))  # type: ignore[arg-type]
    second = client.ask(Explain(**words))  # type: ignore[arg-type]
    assert first == second
    wait(lambda: finished(client, first))


def test_what_was_cancelled_can_be_asked_for_again_at_once(study: Study, client: WorkerClient) -> None:
    def ask() -> str:
        return client.ask(
            Explain(study=study.path, run="baseline", rows=[0, 1], target="true", methods=[("ig", {"steps": 60})])
        )

    first = ask()
    client.cancel(first)
    assert finished(client, first), "it counts as cancelled at once"
    second = ask()
    assert second != first
    wait(lambda: finished(client, second))
    known = client.job(second)
    assert known is not None
    assert known.state == "done", "late words about the first were taken for words about the second"


def test_nothing_is_waited_for_that_nobody_works_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def deaf(_: WorkerClient, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        process.stdout.close()

    monkeypatch.setattr(WorkerClient, "_listen", deaf)
    client = WorkerClient(device="cpu", threads=1)

    def ask() -> str:
        return client.ask(Explain(study=tmp_path, run="a", rows=[0], target="true", methods=[("gradcam", {})]))

    first = ask()
    assert client._process is not None
    client._process.kill()
    client._process.wait()
    second = ask()
    assert second != first, "the first died with the process"
    assert [job.state for job in client.jobs()] == ["waiting", "failed"]
    client.stop()
    assert [job.state for job in client.jobs()] == ["failed", "failed"]
    client.cancel(second)


def test_a_worker_that_cannot_start_says_why(tmp_path: Path) -> None:
    client = WorkerClient(device="abacus")
    job = client.ask(Explain(study=tmp_path, run="a", rows=[0], target="true", methods=[("gradcam", {})]))
    wait(lambda: finished(client, job))
    known = client.job(job)
    assert known is not None
    assert "no such device here: abacus" in (known.error or "")
    client.stop()


def test_stopping_twice_is_fine(tmp_path: Path) -> None:
    client = WorkerClient(device="cpu", threads=1)
    client.stop()
    client.start()
    client.stop()
    client.stop()
    assert not client.status().alive


_PARENT = """
import subprocess, sys, time
print(subprocess.Popen([sys.executable, "-m", "xai_core.worker", "--device", "cpu"], stdin=0, stdout=2).pid, flush=True)
time.sleep(600)
"""


@pytest.mark.skipif(os.name != "posix", reason="needs numbers of parents")
def test_it_ends_with_the_process_that_asks_though_the_pipe_to_it_stays_open() -> None:
    held, pipe = os.pipe()
    with subprocess.Popen([sys.executable, "-c", _PARENT], stdin=held, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        worker = int(parent.stdout.readline())
        time.sleep(1)
        parent.kill()
    try:
        wait(lambda: not Path(f"/proc/{worker}").exists() or _is_zombie(worker), 30)
    finally:
        for end in (held, pipe):
            os.close(end)


def _is_zombie(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
