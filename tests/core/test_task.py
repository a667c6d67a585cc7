"""What a task decides, against the definitions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from xai_core.errors import BadInput, NotFound
from xai_core.task import TASKS, loss_of, most_probable, task


def outputs(*shape: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).normal(size=shape).astype(np.float32))


@pytest.mark.parametrize(("key", "pixels"), [("classification", ()), ("segmentation", (2, 3))])
def test_outputs_of_each_task(key: str, pixels: tuple[int, ...]) -> None:
    made, found = task(key), outputs(5, 4, *pixels)
    labels = torch.arange(5 * int(np.prod(pixels))).reshape(5, *pixels) % 4
    made.check_output(tuple(found.shape), 5, 4)
    chances = made.probabilities(found)
    torch.testing.assert_close(chances.sum(1), torch.ones(5, *pixels))
    assert torch.equal(made.says(found), chances.argmax(1))
    total = functional.cross_entropy(found, labels, reduction="mean")
    torch.testing.assert_close(made.cross_entropy(found, labels).mean(), total)
    assert made.cross_entropy(found, labels).shape == made.right(found, labels).shape == (5,)
    sure = functional.one_hot(labels, 4).movedim(-1, 1).float()
    assert torch.equal(made.says(sure), labels)
    torch.testing.assert_close(made.cross_entropy(found, sure), made.cross_entropy(found, labels))
    mixed = made.cross_entropy(found, 0.25 * sure + 0.75 * sure.roll(1, 1))
    one, other = made.cross_entropy(found, labels), made.cross_entropy(found, (labels + 1) % 4)
    torch.testing.assert_close(mixed, 0.25 * one + 0.75 * other)
    wrong = made.is_error(made.says(found).numpy(), labels.numpy())
    np.testing.assert_allclose(made.right(found, labels).mean(), 1 - wrong.mean(), atol=1e-6)


@pytest.mark.parametrize(
    ("key", "shape"),
    [
        ("classification", (5, 3)),
        ("classification", (5, 4, 2, 2)),
        ("segmentation", (5, 4)),
        ("segmentation", (1, 4, 2, 2)),
    ],
)
def test_outputs_that_do_not_fit(key: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(BadInput, match="shape that does not fit"):
        task(key).check_output(shape, 5, 4)


def test_of_stored_probabilities() -> None:
    chances = np.array([[0.5, 0.5, 0.0], [0.0, 0.1, 0.9]], dtype=np.float32)
    assert most_probable(chances).tolist() == [0, 2]
    np.testing.assert_allclose(loss_of(chances[:, 1]), [np.log(2), np.log(10)], rtol=1e-6)
    assert np.isfinite(loss_of(np.zeros(1, np.float32))).all()


def test_an_unknown_task() -> None:
    with pytest.raises(NotFound, match="classification"):
        task("clasification")
    assert set(TASKS) == {"classification", "segmentation"}
