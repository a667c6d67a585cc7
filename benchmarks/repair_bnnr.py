"""BNNR (0.8) as an arm of `benchmarks.repair`: its own search over saliency masking and its inverse.

It is installed beside by `pip install --no-deps bnnr==0.8.0`: what else it wants is there, but for opencv-python, which
writes the same files as opencv-python-headless. Where it is not installed the arm is left out.
"""

from __future__ import annotations

import warnings
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.repair_arms import Trial, predicted
from xai_core.models.preprocess import Preprocess
from xai_core.models.weights import fingerprint, save_weights
from xai_core.pipeline.load import load_classifier
from xai_core.pipeline.pictures import training_data
from xai_core.store.run import Run
from xai_core.training.data import PictureArrays, normaliser

RATE = 1e-3
"""Of Adam, as in its `quick_run`."""

EXPLAINER = "gradcam"
"""One that it offers; its default, OptiCAM, takes a hundred passes for a map, and every training picture wants one."""


def installed() -> bool:
    """Whether the arm can be run."""
    return find_spec("bnnr") is not None


class AsColour(nn.Module):
    """The network for what BNNR hands over: `(N, 3, H, W)` on the 0…1 scale, also of grey pictures."""

    def __init__(self, module: nn.Module, preprocess: Preprocess) -> None:
        super().__init__()
        self.module, self._channels = module, preprocess.channels
        self._normalise = normaliser(preprocess, torch.device("cpu"))

    def forward(self, x: Tensor) -> Tensor:
        """`(N, K)`."""
        x = x.mean(1, keepdim=True) if self._channels == 1 else x
        return self.module(self._normalise(x))  # type: ignore[no-any-return]


def bnnr(trial: Trial) -> Run:
    """What comes of its preset `icd`, its defaults kept: the baseline goes on for half of the epochs, and from there
    masking what the network looks at most and least compete for the other half, by accuracy in validation.

    So the network that it keeps was trained as long as that of another arm; the search costs half as much again.
    """
    from bnnr import BNNRConfig, BNNRTrainer, SimpleTorchAdapter
    from bnnr.presets import build_icd_augmentations

    classifier = load_classifier(trial.base, device="cpu")
    data = training_data(trial.study, classifier.preprocess)
    module = classifier.module.requires_grad_(True)
    net, layers = AsColour(module, classifier.preprocess), [classifier.layer()]
    size = trial.config.resolved().batch_size
    with TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        places = {"checkpoint_dir": Path(folder, "checkpoints"), "report_dir": Path(folder, "reports")}
        options: dict[str, Any] = {"m_epochs": max(1, trial.epochs // 2), "max_iterations": 1, "xai_method": EXPLAINER}
        quiet = {"device": "cpu", "seed": trial.seed, "verbose": False, "event_log_enabled": False}
        optimiser = torch.optim.Adam(net.parameters(), lr=RATE)
        BNNRTrainer(
            SimpleTorchAdapter(net, nn.CrossEntropyLoss(), optimiser, layers, device="cpu"),
            _loader(data.training, size, trial.seed),
            _loader(data.validation, size),
            build_icd_augmentations(net, layers, random_state=trial.seed),
            BNNRConfig(**options, **quiet, **places, save_checkpoints=False),
        ).run()
    module.eval()
    mark = fingerprint(module, classifier.architecture, classifier.preprocess)
    info = replace(trial.base.info, fingerprint=mark, parent=trial.base.name, training={}, provenance={})
    with trial.study.new_run(f"bnnr-{trial.seed}", info) as made:
        save_weights(module, made.weights)
    return predicted(trial.study.run(f"bnnr-{trial.seed}"))


def _loader(split: PictureArrays, size: int, seed: int | None = None) -> DataLoader[Any]:
    """Pictures of three channels on the 0…1 scale with labels; drawn anew in each epoch where there is a seed."""
    x = torch.from_numpy(split.pixels[np.arange(len(split))]).permute(0, 3, 1, 2).float() / 255
    labels = torch.from_numpy(split.labels)
    pictures = TensorDataset(x.expand(-1, 3, -1, -1), labels, torch.arange(len(labels)))  # maps are kept by number
    generator = None if seed is None else torch.Generator().manual_seed(seed)
    return DataLoader(pictures, size, shuffle=seed is not None, generator=generator)
