"""Training one model version from a few annotated images.

What keeps few labels steady: findings drawn equally often, enough steps per epoch however small the set, averaged
weights (an exponential moving average is what is judged and kept), and early stopping on the validation loss. A
schedule that runs to its end keeps its end: the loss of some twenty validation images is too noisy to choose among
epochs, and the small steps at the end were worth more on other images than the epoch that these few liked best.

Images with an outline and no finding are added to the batches of the others, for the ROI head alone. So they change
neither how many steps there are, nor which images with a finding a step sees and how these are turned.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from xal.errors import BadInput
from xal.model.augmentation import augment
from xal.model.calibration import fit_temperature
from xal.model.judging import Case, Evaluation, balanced_accuracy, evaluate
from xal.model.losses import Target, episode, objective, prototype_head
from xal.model.network import Network, pick_device
from xal.rounding import largest
from xal.task import Task, TrainingSettings

__all__ = ["Case", "Evaluation", "Outlined", "Progress", "Trained", "evaluate", "train"]

_WARM_UP = 0.05
"""Share of the schedule in which the learning rate rises."""
_MEMORY = 0.98
"""Of the averaged weights, per step."""
_PROGRESS = 0.05
"""The validation loss has to fall by this part within `patience` epochs; smaller gains are kept but prolong nothing."""
_EVALUATION_BATCH = 64
_OUTLINED = 1
"""What keeps the chance of images without a finding apart from that of the others."""


@dataclass(frozen=True)
class Outlined:
    """An image on which somebody outlined something without naming a finding, ready for the network."""

    image_id: str
    tensor: torch.Tensor
    """(C, *size), float32."""
    roi: torch.Tensor | npt.NDArray[np.float32]
    """Coverage on the network's grid (*size), float32."""


@dataclass(frozen=True)
class Progress:
    """Where training stands after an epoch; without validation images the last two are None."""

    epoch: int
    total_epochs: int
    loss: float
    seconds: float
    validation_loss: float | None
    metric: float | None
    """Balanced accuracy on the validation images."""


@dataclass(frozen=True)
class Trained:
    """The best weights of a training, what they are worth, and how it went."""

    network: Network
    metrics: dict[str, Any]
    history: list[dict[str, Any]]


def train(
    task: Task,
    cases: Sequence[Case],
    validation: Sequence[Case],
    settings: TrainingSettings | None = None,
    device: torch.device | None = None,
    on_epoch: Callable[[Progress], None] = lambda progress: None,
    stop: Callable[[], bool] = lambda: False,
    start_from: Network | None = None,
    outlined: Sequence[Outlined] = (),
) -> Trained:
    """Train from scratch (or from `start_from`) until the validation loss no longer falls, or `stop()` says so.

    Without settings as the task says, without a device on the fastest there is. From what is only `outlined` the ROI
    head learns, if it learns at all.

    Without validation images the schedule runs to its end, and the metrics say that they are of the training images.
    """
    settings, device = settings or task.training, device or pick_device(None)
    labels = np.array([task.index(case.finding) for case in cases], np.int64)
    if len(np.unique(labels)) < 2:
        raise BadInput("training needs annotated images of at least two findings")
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(settings.seed)
        run = _Run(task, cases, validation, settings, device, start_from, outlined if settings.roi > 0 else ())
        for images in balanced_epochs(labels, run.steps * settings.batch_size, settings.seed):
            if run.finished or not run.epoch(images, stop):
                break
            on_epoch(run.progress[-1])
    return run.result()


def balanced_epochs(labels: npt.NDArray[np.int64], size: int, seed: int) -> Iterator[npt.NDArray[np.int64]]:
    """Endless epochs of `size` indices: every finding equally often, every image of a finding equally often, too."""
    rng = np.random.default_rng(seed)
    members = [np.flatnonzero(labels == k) for k in np.unique(labels)]
    queues = [_endless(indices, rng) for indices in members]
    while True:
        order = rng.permutation(len(queues))
        yield rng.permutation([next(queues[order[i % len(queues)]]) for i in range(size)])


def outlined_per_step(outlined: int, cases: int, batch_size: int) -> int:
    """How many images without a finding are added to a batch: each of them is then seen about as often as the others.

    Never more than there are others in the batch: an ROI may be known of a whole pool, and a step must not take more
    than twice as long for it.
    """
    return min(batch_size, math.ceil(batch_size * outlined / cases))


class _Run:
    """One training in progress."""

    def __init__(
        self,
        task: Task,
        cases: Sequence[Case],
        validation: Sequence[Case],
        settings: TrainingSettings,
        device: torch.device,
        start_from: Network | None,
        outlined: Sequence[Outlined] = (),
    ) -> None:
        self.task, self.cases, self.validation = task, cases, validation
        self.outlined = outlined
        self.settings, self.device = settings, device
        self.steps = max(settings.min_steps, math.ceil(len(cases) / settings.batch_size))
        self.network = Network(task)
        if start_from is not None:
            self.network.load_state_dict(start_from.state_dict())
        self.network.temperature.fill_(1.0)
        self.with_roi = sum(_is_outlined(case) for case in cases) if settings.roi > 0 else 0
        self.network.rois_seen.fill_(self.with_roi + len(outlined))
        self.network.to(device)
        self.averaged = copy.deepcopy(self.network).eval()
        self.means, self.currents = _floats(self.averaged), _floats(self.network)
        self.best = {name: value.clone() for name, value in self.averaged.state_dict().items()}
        self.best_loss, self.best_epoch = math.inf, 0
        self.mark, self.last_gain = math.inf, 0
        self.progress: list[Progress] = []
        self.stopped = False
        self.generator = torch.Generator().manual_seed(settings.seed)
        rng = np.random.default_rng([settings.seed, _OUTLINED])
        self.others = _endless(np.arange(len(outlined)), rng)
        self.added = outlined_per_step(len(outlined), len(cases), settings.batch_size)
        self.generator_of_others = torch.Generator().manual_seed(int(rng.integers(2**63)))
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True
        )
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimizer, self._rate)
        self.step_count = 0
        self.started = time.monotonic()

    @property
    def finished(self) -> bool:
        """The schedule is over, or the validation loss has not fallen for too long."""
        epoch = len(self.progress)
        waited = epoch - self.last_gain if self.validation else 0
        return epoch >= self.settings.max_epochs or waited >= self.settings.patience

    def epoch(self, images: npt.NDArray[np.int64], stop: Callable[[], bool]) -> bool:
        """One epoch over the given cases; False if it was stopped on the way."""
        self.network.train()
        losses = []
        for batch in np.split(images, self.steps):
            if stop():
                self.stopped = True
                return False
            losses.append(self._step([self.cases[i] for i in batch]))
        loss = float(torch.stack(losses).mean())
        if not math.isfinite(loss):
            raise BadInput(f"training diverged (loss {loss}); try a learning rate below {self.settings.learning_rate}")
        if self.settings.head == "prototype":
            self._write_prototypes()
        validation_loss, metric = self._validate() if self.validation else (None, None)
        number = len(self.progress) + 1
        at_its_end = number == self.settings.max_epochs
        if validation_loss is None or validation_loss < self.best_loss or at_its_end:
            self.best_loss, self.best_epoch = validation_loss or 0.0, number
            self.best = {name: value.clone() for name, value in self.averaged.state_dict().items()}
        if self.best_loss < self.mark * (1 - _PROGRESS):
            self.mark, self.last_gain = self.best_loss, number
        seconds = time.monotonic() - self.started
        self.progress.append(Progress(number, self.settings.max_epochs, loss, seconds, validation_loss, metric))
        return True

    def result(self) -> Trained:
        """The best weights seen, judged on the validation images or, without any, on the training images.

        The temperature is fitted on validation images alone: on images that were learnt the model is always too right.
        """
        self.averaged.load_state_dict(self.best)
        evaluation = evaluate(self.averaged, self.task, self.validation or self.cases, self.device)
        if self.validation:
            evaluation = replace(evaluation, temperature=fit_temperature(evaluation.logits, evaluation.truth))
            self.averaged.temperature.fill_(evaluation.temperature)
        metrics = evaluation.metrics() | {
            "judged_on": "validation" if self.validation else "training",
            "epochs": len(self.progress),
            "best_epoch": self.best_epoch,
            "stopped": self.stopped,
            "seconds": time.monotonic() - self.started,
            "trained_on": {
                "cases": len(self.cases),
                "with_roi": self.with_roi,
                "only_outlined": len(self.outlined),
            },
        }
        return Trained(self.averaged, metrics, [asdict(progress) for progress in self.progress])

    def _step(self, batch: list[Case]) -> torch.Tensor:
        images, target = self._stack(batch)
        images, rois = self._varied(images, target.rois, self.generator)
        target = target._replace(rois=rois)
        if self.added:
            images, target = self._with_outlined(images, target)
        progress = min(1.0, self.step_count / max(1, self.settings.max_epochs * self.steps - 1))
        output, weight = self.network(images), self.network.finding_head.weight
        if self.settings.head == "prototype":
            output, weight = episode(output, target.findings)
        loss = objective(weight, output, target, self.settings, progress)
        self.optimizer.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), max_norm=5.0)
        self.optimizer.step()
        self.schedule.step()
        self._average()
        return loss.detach()

    def _varied(
        self, images: torch.Tensor, rois: torch.Tensor, generator: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        return augment(images, rois, generator, flip=self.settings.flip) if self.settings.augment else (images, rois)

    def _with_outlined(self, images: torch.Tensor, target: Target) -> tuple[torch.Tensor, Target]:
        """A batch with the next few images that have no finding behind the others."""
        few = [self.outlined[next(self.others)] for _ in range(self.added)]
        tensors = torch.stack([one.tensor for one in few]).to(self.device)
        drawn = torch.stack([torch.as_tensor(one.roi) for one in few]).to(self.device)
        more, rois = self._varied(tensors, drawn, self.generator_of_others)
        known = torch.ones(len(few), dtype=torch.bool, device=self.device)
        together = Target(target.findings, torch.cat([target.rois, rois]), torch.cat([target.known, known]))
        return torch.cat([images, more]), together

    def _average(self) -> None:
        """Move the averaged weights and batch statistics towards the current ones, faster at the start."""
        self.step_count += 1
        memory = min(_MEMORY, self.step_count / (self.step_count + 10))
        torch._foreach_lerp_(self.means, self.currents, 1 - memory)

    def _write_prototypes(self) -> None:
        """Make the averaged network's head that of the nearest mean of all training images."""
        with torch.inference_mode():
            embeddings = torch.cat(
                [self.averaged.features(images).flatten(2).mean(2) for images, _ in self._batches(self.cases)]
            )
            findings = torch.tensor([self.task.index(case.finding) for case in self.cases], device=self.device)
            head = self.averaged.finding_head
            weight, bias = prototype_head(embeddings, findings, head.out_features)
            head.weight.copy_(weight)
            head.bias.copy_(bias)

    def _validate(self) -> tuple[float, float]:
        total, correct, truth = 0.0, [], []
        with torch.inference_mode():
            for images, target in self._batches(self.validation):
                output = self.averaged(images)
                total += float(objective(self.averaged.finding_head.weight, output, target, self.settings)) * len(
                    images
                )
                truth.append(target.findings.cpu().numpy())
                correct.append(largest(output.logits.cpu().numpy()) == truth[-1])
        return total / len(self.validation), balanced_accuracy(np.concatenate(truth), np.concatenate(correct))

    def _batches(self, cases: Sequence[Case]) -> Iterator[tuple[torch.Tensor, Target]]:
        for start in range(0, len(cases), _EVALUATION_BATCH):
            yield self._stack([cases[i] for i in range(start, min(start + _EVALUATION_BATCH, len(cases)))])

    def _stack(self, batch: list[Case]) -> tuple[torch.Tensor, Target]:
        images = torch.stack([case.tensor for case in batch])
        empty = torch.zeros(images.shape[2:])
        rois = torch.stack([empty if case.roi is None else torch.as_tensor(case.roi) for case in batch])
        known = torch.tensor([case.roi is not None or case.finding == self.task.absent for case in batch])
        findings = torch.tensor([self.task.index(case.finding) for case in batch])
        target = Target(findings.to(self.device), rois.to(self.device), known.to(self.device))
        return images.to(self.device), target

    def _rate(self, step: int) -> float:
        """Linear warm-up, then a cosine down to one hundredth."""
        total = self.settings.max_epochs * self.steps
        warm = max(1, int(_WARM_UP * total))
        if step < warm:
            return (step + 1) / warm
        return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warm) / max(1, total - warm))))


def _endless(indices: npt.NDArray[np.int64], rng: np.random.Generator) -> Iterator[int]:
    while True:
        yield from rng.permutation(indices).tolist()


def _floats(network: Network) -> list[torch.Tensor]:
    """Weights and batch statistics, without their history: what is written into them is written into the network."""
    return [value for value in network.state_dict().values() if value.is_floating_point()]


def _is_outlined(case: Case) -> bool:
    return case.roi is not None and bool(torch.as_tensor(case.roi).any())
