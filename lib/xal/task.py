"""A task: one clinical question, read from a YAML file and validated once.

Everything that asks "which findings, which size, which network, how is it trained and ranked"
asks this object. Inside the package no setting is a loose string.
"""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import BeforeValidator, Field, field_validator, model_validator

from xal.errors import TaskError
from xal.settings import Settings, no_truth_value, read_settings

TASKS = Path(__file__).with_name("tasks")
"""Where the tasks lie that come with this package."""
ATTENTION_BANDS: tuple[str, ...] = ("attention 1", "attention 2", "attention 3", "attention 4")
ATTENTION_LEVELS: tuple[float, ...] = (0.2, 0.4, 0.6, 0.8)
REGION = "region"
"""The segment of an outline without a finding, and what stands for the finding in its annotation."""
REGION_VALUE = 255
"""Its voxels in stored label files, where 1, 2, … are the findings: these may become more."""
ALONE = ", no outline"
"""Ends the name of a segment in which any mark says the finding before it, without outlining it."""
RESERVED_NAMES: frozenset[str] = frozenset({"background", "foreground_scribbles", "background_scribbles"})
"""Names that 3D Slicer's module drops from the segments it exports."""

Share = Annotated[float, Field(ge=0.0, le=1.0), BeforeValidator(no_truth_value)]


class Code(Settings):
    """A concept of a published vocabulary, as DICOM writes it."""

    scheme: str = Field(min_length=1, max_length=16)
    """Its designator in DICOM: SCT (SNOMED CT), RADLEX, LN (LOINC), NCIt …"""
    value: str = Field(min_length=1, max_length=16)
    """In quotes in the task file: YAML would make a number of it."""
    meaning: str = Field(min_length=1, max_length=64)
    """The vocabulary's own name for it."""

    @field_validator("scheme", "value", "meaning")
    @classmethod
    def _usable_in_dicom(cls, text: str) -> str:
        if text != text.strip() or "\\" in text or any(not character.isprintable() for character in text):
            raise ValueError("a code has no backslashes, no control characters and no spaces at the ends of its parts")
        return text

    @model_validator(mode="after")
    def _snomed(self) -> Code:
        if self.scheme == "SCT" and not (self.value.isascii() and self.value.isdecimal() and len(self.value) >= 6):
            raise ValueError(f"a SNOMED CT code (scheme SCT) is a number of at least 6 digits, not {self.value!r}")
        if self.scheme in ("SNOMED", "SNOMED-CT", "SNOMEDCT", "SRT"):
            raise ValueError(f"SNOMED CT is scheme SCT in DICOM, not {self.scheme!r}")
        return self


class Finding(Settings):
    """A class of the task; its name is also the name of the segment a reader paints."""

    name: str = Field(min_length=1, max_length=64)
    """What a reader paints in, and what the network learns."""
    absent: bool = False
    """The finding that means "nothing there": it has no ROI."""
    color: tuple[int, int, int] | None = None
    """Red, green and blue of its segment, 0 to 255."""
    code: Code | None = Field(None, exclude=True)
    """What a PACS calls it: {scheme: SCT, value: "4147007", meaning: Mass}. Without one it gets a code of xal's own.

    Left out of dumps: it decides nothing that is learnt or measured, so rows of a simulation outlive it.
    """

    @field_validator("name")
    @classmethod
    def _usable_as_segment(cls, name: str) -> str:
        if name != name.strip() or any(not character.isprintable() for character in name):
            raise ValueError("a finding's name has no control characters and no spaces at its ends")
        if name in RESERVED_NAMES or name in ATTENTION_BANDS:
            raise ValueError(f"{name!r} is reserved: 3D Slicer or the attention bands use it")
        if name == REGION:
            raise ValueError(f"{name!r} is reserved: it is the segment for outlines without a finding")
        return name


class Intensity(Settings):
    """How stored values become network input."""

    kind: Literal["percentile", "zscore", "window", "stored"] = "percentile"
    """percentile: between two percentiles of each image; zscore: by mean and deviation; window: between two values;
    stored: the window that a DICOM file, or every slice of a series, names; without one the percentiles."""
    low: float = 1.0
    """percentile, stored: the percentile mapped to 0; window: the value mapped to 0."""
    high: float = 99.0
    """percentile, stored: the percentile mapped to 1; window: the value mapped to 1."""

    @model_validator(mode="after")
    def _ordered(self) -> Intensity:
        if self.kind != "zscore" and self.low >= self.high:
            raise ValueError(f"low ({self.low:g}) must be below high ({self.high:g})")
        if self.kind in ("percentile", "stored") and not 0 <= self.low < self.high <= 100:
            raise ValueError("percentiles lie between 0 and 100")
        return self


class ImageSettings(Settings):
    """Geometry and intensity of the network's input."""

    dimensions: Literal[2, 3]
    """2: pictures; 3: volumes."""
    size: tuple[int, ...]
    """Voxels per axis that the network sees."""
    spacing: tuple[float, ...] | None = None
    """Millimetres per voxel: resample to it, then crop or pad to `size`. None: fit the whole image into `size`."""
    channels: int = Field(1, ge=1, le=32)
    """How many an image has: 1 for grey, 4 for four MR scans in one file."""
    display_channel: int = Field(0, ge=0)
    """The channel that clients see."""
    intensity: Intensity = Intensity()

    @model_validator(mode="after")
    def _consistent(self) -> ImageSettings:
        if len(self.size) != self.dimensions or any(n < 16 for n in self.size):
            raise ValueError(f"size needs {self.dimensions} numbers of at least 16, not {list(self.size)}")
        if self.spacing is not None and (len(self.spacing) != self.dimensions or min(self.spacing) <= 0):
            raise ValueError(f"spacing needs {self.dimensions} positive numbers, not {list(self.spacing)}")
        if self.display_channel >= self.channels:
            raise ValueError(f"display_channel {self.display_channel} is beyond the {self.channels} channel(s)")
        return self


Backbone = Literal[
    "resnet10", "resnet18", "resnet34", "resnet50",
    "densenet121", "densenet169",
    "efficientnet-b0", "efficientnet-b1", "efficientnet-b2",
]  # fmt: skip


class NetworkSettings(Settings):
    """The network: a MONAI backbone that ends in global average pooling and a linear layer."""

    backbone: Backbone = "resnet18"
    """The smaller ones train faster; the sample tasks take resnet10."""
    width: float = Field(1.0, ge=0.25, le=4)
    """Multiplies the channels (of a DenseNet: the growth rate); small tasks train faster with less.

    Below a quarter, torch's CPU kernels have crashed.
    """
    first_stride: Literal[1, 2] = 2
    """Stride of the pooling after the first convolution (EfficientNet has none: of that convolution itself).

    1 doubles the attention grid, which small images need, at two to four times the cost.
    """
    last_stride: Literal[1, 2] = 1
    """Stride of the last stage; 1 doubles the attention grid on each axis."""
    dropout: float = Field(0.0, ge=0, lt=1)
    """Share of the embedding that is left out at random in training, before the finding is named."""
    weights: Path | None = None
    """A local file of backbone weights to start from (a relative path is relative to the task file)."""


GuidanceKind = Literal["dice", "energy", "outside"]


class TrainingSettings(Settings):
    """Training of one model version; the ones a reader may change are in the Options tab."""

    start: Literal["reset", "warm"] = "reset"
    """Where a training begins: anew, or at the published model, if that has not learnt today's validation images."""
    max_epochs: int = Field(60, ge=1, le=10_000)
    """Epochs, at most."""
    patience: int = Field(15, ge=1)
    """Stop after so many epochs without a better validation loss."""
    min_steps: int = Field(20, ge=1)
    """Steps of an epoch, at least: few images are drawn several times, so that they are learnt as well as many."""
    batch_size: int = Field(16, ge=2, le=1024)
    """Images per step."""
    learning_rate: float = Field(1e-3, gt=0)
    """The highest one: it rises first, then falls."""
    weight_decay: float = Field(1e-4, ge=0)
    """How strongly weights are kept small."""
    head: Literal["linear", "prototype"] = "linear"
    """How findings are told apart: by a layer that is learnt, or by the nearest mean of the annotated images.

    Prototypes want batches with several images of each finding, and a lower learning rate.
    """
    guidance: float = Field(0.3, ge=0)
    """λ: weight of the loss that pulls attention towards the ROI."""
    guidance_kind: GuidanceKind = "energy"
    """What that loss is: 1 − Dice with the ROI, −log of the energy in it, or the mean of the attention outside it."""
    guidance_schedule: Literal["constant", "rise", "fall"] = "constant"
    """λ over the steps of a training: always the same, or half a cosine from 0 up to λ or from λ down to 0."""
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    """Part of each label that is spread over all findings: less sure of few images."""
    roi: float = Field(1.0, ge=0)
    """Weight of the loss of the head that proposes ROIs."""
    augment: bool = True
    """Turn, shift, scale and brighten the images at random while training."""
    flip: bool = False
    """Augment with mirror images, too: only where left and right, up and down do not matter to the findings."""
    seed: int = 0
    """Where chance begins."""


class BatchSettings(Settings):
    """How the images of a batch are taken from those of the highest value."""

    rule: Literal["top", "power", "spread", "cover"] = "cover"
    """top: the best; power: by chance, the better more often; spread: of the better ones, far from the labelled;
    cover: the best ones of different clusters."""
    sharpness: float = Field(1.0, gt=0)
    """power: an image is drawn with probability ∝ rank^−sharpness."""
    breadth: float = Field(2.0, ge=1)
    """spread: how many times the batch the better ones are; cover: the clusters, besides one per labelled image."""
    balance: bool = False
    """Take next what is predicted to be the finding of which the fewest are labelled."""

    @property
    def plain(self) -> bool:
        """The score alone decides."""
        return self.rule == "top" and not self.balance


Method = Literal["xal", "xal_evidence", "entropy", "margin", "uniform", "bald", "badge", "k_center", "coverage"]
"""How images are chosen."""
COMPARING: tuple[Method, ...] = ("xal", "xal_evidence")
"""Those that look at ROIs."""
BATCHES: tuple[Method, ...] = ("bald", "badge", "k_center", "coverage")
"""Those that take more than what is kept of each image: they are lined up by a scoring run."""

NO_BALD = "method bald measures what random dropout changes, so it needs network.dropout above 0"

Compared = Literal["dice", "evidence"]
"""How attention and ROI are compared."""


def _as_dice(value: object) -> object:
    """Its former name."""
    return "dice" if value == "overlap" else value


def _listed(value: object) -> object:
    """`none`, or one name, as a list."""
    return () if value in ("none", None) else (value,) if isinstance(value, str) else value


class AcquisitionSettings(Settings):
    """How the next image is chosen."""

    method: Method = "xal"
    """xal: the score; xal_evidence: the score with `misalignment: evidence`; entropy and margin: where the model is
    unsure; uniform: by chance; bald, badge, k_center, coverage: as they are known."""
    first: Literal["coverage", "uniform"] = "coverage"
    """While there is no model: images that look like many others, or any, come first."""
    alpha: Share = 0.5
    """score = alpha · uncertainty + (1 − alpha) · misalignment."""
    misalignment: Annotated[Compared, BeforeValidator(_as_dice)] = "dice"
    """dice: 1 − Dice of attention and ROI. evidence: 1 − what the ROI alone says for the predicted finding."""
    dice: Literal["soft", "binary", "relative"] = "soft"
    """Of `misalignment: dice`: soft; binary: of the attention above `threshold`; relative: in shares of the best
    possible one."""
    stand_in: Annotated[tuple[Literal["proposed"], ...], BeforeValidator(_listed)] = ()
    """Whose ROI stands in where no person drew one: none, or [proposed], which is the network's own. With
    `misalignment: evidence` drawn and proposed ROIs were nearly on one scale; with Dice drawn ones rise."""
    stand_in_by: Annotated[Compared, BeforeValidator(_as_dice)] | None = None
    """How the attention is compared with an ROI that stands in; as `misalignment` says unless it is set."""
    threshold: Share = 0.5
    """Where `dice: binary` cuts the attention."""
    min_rois: int = Field(10, ge=1)
    """The network proposes ROIs once it was trained on so many drawn ones."""
    batch: BatchSettings = BatchSettings()


class ReadingSettings(Settings):
    """How often an image is read before its finding is settled."""

    per_image: int = Field(1, ge=1, le=10)
    """Readers that every image needs."""
    double: Share = 0.1
    """Share of images that need one reading more, once the pool has more than one reader."""


class OutlineSettings(Settings):
    """Which images readers are asked to outline. Of the others the finding alone is wanted; an outline is welcome."""

    share: Share = 1.0
    """Share of the images that are to be outlined."""
    by: Literal["chance", "misalignment"] = "chance"
    """chance: any of them; misalignment: of twenty that come next, those whose attention lies farthest from the ROI
    that the network proposes."""


class GateSettings(Settings):
    """When a trained candidate replaces the published model."""

    validation: Share = 0.2
    """Share of the annotations of each finding set aside to judge models."""
    min_per_finding: int = Field(5, ge=1)
    """So many of each finding are set aside at least, but never more than half of them."""
    max_fall: Share = 0.02
    """Largest accepted fall in balanced accuracy."""
    confidence: Share = 0.8
    """A candidate is refused if a paired bootstrap says "worse" with this confidence."""


class Task(Settings):
    """One clinical question."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")
    """Lower-case letters, digits and _; folders are named after it."""
    title: str
    """What readers see at the top of the page."""
    findings: tuple[Finding, ...] = Field(min_length=2, max_length=200)
    """In the order of the segments that readers see."""
    image: ImageSettings
    network: NetworkSettings = NetworkSettings()
    training: TrainingSettings = TrainingSettings()
    acquisition: AcquisitionSettings = AcquisitionSettings()
    readings: ReadingSettings = ReadingSettings()
    outline: OutlineSettings = OutlineSettings()
    gate: GateSettings = GateSettings()
    multiple: Literal["refuse", "largest"] = "refuse"
    """What to do with a label map that paints more than one finding."""
    regions: bool = True
    """Readers may outline an image without naming its finding: it stays in the pool, is scored by that outline, and
    teaches the head that proposes ROIs."""
    show_regions: bool = False
    """Readers are shown, to be corrected, what others outlined without a finding; `reveal: always` implies it."""
    reveal: Literal["after_submit", "always"] = "after_submit"
    """When a reader sees what the algorithm thinks of an image."""
    lease_minutes: float = Field(60, gt=0)
    """How long an image stays with the reader who was given it."""

    @model_validator(mode="after")
    def _findings_make_sense(self) -> Task:
        names = [finding.name for finding in self.findings]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"finding {twice[0]!r} is listed twice")
        absent = [finding.name for finding in self.findings if finding.absent]
        if len(absent) > 1:
            raise ValueError(f"at most one finding may be absent, not {absent}")
        if self.acquisition.method not in self.methods:
            raise ValueError(NO_BALD)
        if self.show_regions and not self.regions:
            raise ValueError("show_regions: true needs regions: true")
        return self

    @model_validator(mode="after")
    def _outlines_can_be_asked_for(self) -> Task:
        clash = next((name for name in self.finding_names if name in self.alone), None)
        if clash is not None:
            raise ValueError(
                f"{clash!r} cannot be a finding here: so the segment is called that says {self.alone[clash]!r} alone"
            )
        if self.outline.by == "misalignment" and "proposed" not in self.acquisition.stand_in:
            raise ValueError(
                "outline.by: misalignment compares images that nobody has outlined, which takes "
                "acquisition.stand_in: [proposed]"
            )
        return self

    @property
    def methods(self) -> tuple[Method, ...]:
        """Those by which its images can be chosen."""
        return tuple(one for one in get_args(Method) if one != "bald" or self.network.dropout > 0)

    @property
    def finding_names(self) -> tuple[str, ...]:
        """All findings, in the order of the network's outputs."""
        return tuple(finding.name for finding in self.findings)

    @property
    def absent(self) -> str | None:
        """The finding that means "nothing there", if the task has one."""
        return next((finding.name for finding in self.findings if finding.absent), None)

    @property
    def shows_regions(self) -> bool:
        """Whether readers are shown what others outlined without a finding."""
        return self.regions and (self.show_regions or self.reveal == "always")

    @property
    def roi_findings(self) -> tuple[str, ...]:
        """The findings that have an ROI, in order: value k of a stored label file is the k-th of them."""
        return tuple(finding.name for finding in self.findings if not finding.absent)

    @property
    def alone(self) -> dict[str, str]:
        """Segments in which any mark says a finding without outlining it, and which; none where all are outlined."""
        return {} if self.outline.share == 1 else {f"{finding}{ALONE}": finding for finding in self.roi_findings}

    @property
    def segments(self) -> tuple[str, ...]:
        """Segment names offered to clients. Where segments overlap, later ones win in Slicer: the findings do."""
        return (*ATTENTION_BANDS, *((REGION,) if self.regions else ()), *self.alone, *self.roi_findings)

    def value_of(self, finding: str) -> int:
        """Of a finding's voxels, or the region's, in stored label files."""
        return REGION_VALUE if finding == REGION else self.roi_findings.index(finding) + 1

    def index(self, finding: str) -> int:
        """Position of a finding among the network's outputs."""
        return self.finding_names.index(finding)


def load_task(name_or_path: str | Path, own: Path | None = None) -> Task:
    """Read a task by the path of its YAML file, or by name: from the folder `own`, or else one that is shipped."""
    path = Path(name_or_path)
    if path.suffix not in {".yaml", ".yml"}:
        folders = [TASKS] if own is None else [own, TASKS]
        places = [folder / f"{name_or_path}.yaml" for folder in folders]
        path = next((place for place in places if place.is_file()), places[0])
    if not path.is_file():
        known = sorted({file.stem for folder in (own, TASKS) if folder is not None for file in folder.glob("*.yaml")})
        close = difflib.get_close_matches(str(name_or_path), known, 1)
        hint = f"; did you mean {close[0]!r}?" if close else f"; known tasks: {', '.join(known)}" if known else ""
        raise TaskError(f"no task {str(name_or_path)!r}: {path} does not exist{hint}")
    task = read_settings(path, Task)
    weights = task.network.weights
    if weights is not None:
        weights = weights if weights.is_absolute() else path.parent / weights
        if not weights.is_file():
            raise TaskError(f"{path}: network.weights: {weights} does not exist")
        task = task.model_copy(update={"network": task.network.model_copy(update={"weights": weights})})
    return task
