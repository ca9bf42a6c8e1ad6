"""Trainings told to MLflow: losses and learning curves as they grow, scores at the end."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from agv2.app.tracking.server import Tracker
from agv2.app.tracking.tracked_work import TrackedWork, dotted
from agv2.models.pretraining import PretrainedEncoder
from agv2.models.training_log import Progress, TrainingLook

__all__ = ["ENCODER_EXPERIMENT", "POLICY_EXPERIMENT", "TrackedTraining", "tracked_training"]

ENCODER_EXPERIMENT = "agv2 encoder"
POLICY_EXPERIMENT = "agv2 policy"


@dataclass(slots=True)
class TrackedTraining(TrackedWork):
    """One training: its losses look by look, then its scores."""

    what: str = "training"
    told: set[int] = field(default_factory=set)

    def watching(self, progress: Progress | None) -> Progress:
        """The same progress, with each look told to the server as well."""

        def watched(step: int, steps: int, losses: Mapping[str, float], look: TrainingLook) -> None:
            self._look(look)
            if progress is not None:
                progress(step, steps, losses, look)

        return watched

    def finished(self, pretrained: PretrainedEncoder) -> None:
        """Tell the scores, and looks that were not told yet because an earlier process took them."""
        for look in pretrained.log:
            self._look(look)
        scores = {f"score/{score.head}": score.score for score in pretrained.scores}
        baselines = {f"baseline/{score.head}": score.baseline for score in pretrained.scores}
        steps = {"steps": float(pretrained.steps), "best_step": float(pretrained.best_step)}
        self.facts({**scores, **baselines, **steps}, pretrained.best_step)

    def learning(self, curve: Sequence[Mapping[str, float]]) -> None:
        """Tell points of a policy's learning curve, those that were told before excepted."""
        for point in curve:
            if (step := int(point["step"])) not in self.told:
                self.told.add(step)
                self.facts({name: value for name, value in point.items() if name != "step"}, step)

    def _look(self, look: TrainingLook) -> None:
        if look.step in self.told:
            return
        self.told.add(look.step)
        losses = {
            f"{part}/{head}": loss
            for part, of in (("train", look.train), ("selection", look.selection))
            for head, loss in of.items()
        }
        self.facts({**losses, "learning_rate": look.learning_rate}, look.step)


@contextlib.contextmanager
def tracked_training(
    tracker: Tracker | None, name: str, parameters: Mapping[str, Any], tell: Callable[[str], None]
) -> Iterator[TrackedTraining | None]:
    """A run of the tracker's experiment for the length of the block, which ends as the block does; None without one.

    Args:
        tracker: from `open_tracker`.
        name: of the run.
        parameters: what is trained; groups of them are told by dotted names.
        tell: told once if the server cannot be told any more.
    """
    if tracker is None:
        yield None
        return
    tracked = TrackedTraining(tracker, tell)
    tracked.begin(name, dotted(parameters))
    with tracked.lasting():
        yield tracked
