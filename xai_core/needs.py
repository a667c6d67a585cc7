"""What members ask for in their cards' `needs`: each need once, with what it means and who hands it over.

A need is a promise. A test walks over all families: what a card needs must have a provider in its family, and what
has a provider must be needed by somebody.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Need:
    """One thing that a card may need.

    Attributes:
        meaning: what a member may count on, one line.
        providers: by family, `module:name` of what hands it over.
    """

    meaning: str
    providers: Mapping[str, str]


NEEDS: Mapping[str, Need] = {
    "cam_layer": Need(
        "a layer whose output is a grid over the picture: the one that is asked for, or that the model declares",
        {
            "explainers": "xai_core.models.classifier:Classifier.layer",
            "losses": "xai_core.training.model:TrainingModel.with_activations",
        },
    ),
    "gradients": Need(
        "a gradient comes back through the model to the picture",
        {
            "explainers": "xai_core.explainers.engine.guard:untouched",
            "losses": "xai_core.training.model:TrainingModel.with_activations",
        },
    ),
    "background": Need(
        "model inputs of the training split, classes in turn",
        {"explainers": "xai_core.pipeline.explain:background_of"},
    ),
    "mask": Need(
        "the object's mask on the model's input grid; samples without one are refused, in training named",
        {
            "explainers": "xai_core.pipeline.places:masks_of",
            "metrics": "xai_core.pipeline.metric_inputs:Samples.given",
            "losses": "xai_core.pipeline.pictures:training_data",
            "augmentations": "xai_core.pipeline.pictures:training_data",
        },
    ),
    "region": Need(
        "where the target is: of a segmenter how much each place of its output counts in it; metrics get of a "
        "classifier the object instead",
        {
            "explainers": "xai_core.pipeline.places:regions_of",
            "metrics": "xai_core.pipeline.metric_inputs:Samples.given",
        },
    ),
    "whole": Need(
        "a model that sees each picture whole: of one that sees tiles the method's maps do not add up",
        {"explainers": "xai_core.explainers.engine.plan:explain"},
    ),
    "evidence": Need(
        "what the heatmaps of a run point at in each training picture, for its true class",
        {"augmentations": "xai_core.pipeline.evidence:evidence_of"},
    ),
    "cell_evidence": Need(
        "what the mean heatmap of a cell of a run's confusion matrix points at, for the class that was said",
        {"augmentations": "xai_core.pipeline.evidence:cell_evidence_of"},
    ),
    "parts": Need(
        "the sample's parts on the model's input grid, and what the explained output loses without each: data that can "
        "be drawn again",
        {"metrics": "xai_core.pipeline.metric_inputs:Samples.given"},
    ),
    "model": Need(
        "the classifier, its inputs, and a way to explain again",
        {"metrics": "xai_core.pipeline.metric_inputs:Samples.given"},
    ),
}
"""By the name that stands in a card."""
