import random
import re
from io import BytesIO

import pytest
from dicom.drawn import CORNER, corner, found, in_space, on_image, report, segmentation, structure_set
from dicom.objects import PATIENT, stack
from pydicom import dcmread
from pydicom.filewriter import dcmwrite
from pydicom.uid import RLELossless

from xal.errors import BadInput

EDGES = [(column + 0.5, row + 0.5) for column, row in [*CORNER, CORNER[0]]]
SOURCE = stack("CT")
OBJECTS = {
    "SEG": lambda: segmentation(SOURCE, corner(1, 3), corner(2), kinds=("MANUAL", "SEMIAUTOMATIC")),
    "compressed SEG": lambda: segmentation(SOURCE, corner(1) * 1.0, fractional=True, transfer_syntax_uid=RLELossless),
    "structure set": lambda: structure_set(SOURCE, [(1, CORNER), (3, CORNER)], [(2, CORNER)]),
    "report": lambda: report(SOURCE, on_image(SOURCE, 1, EDGES), in_space(SOURCE, 2, [*CORNER, CORNER[0]])),
}


def stored(dataset):
    if "file_meta" not in dataset.__dict__:
        dataset.is_little_endian, dataset.is_implicit_VR = True, True
    dataset.PatientName = PATIENT
    file = BytesIO()
    dcmwrite(file, dataset, write_like_original=True)
    return file.getvalue()


def damaged(whole, seed):
    """A file with some bytes changed, as pydicom opens it; None if it opens none."""
    chance = random.Random(seed)
    data = bytearray(whole)
    for _ in range(chance.choice([1, 2, 5, 20])):
        data[chance.randrange(len(data))] = chance.choice([0, 255, chance.randrange(256)])
    try:
        return dcmread(BytesIO(bytes(data)), force=True)
    except Exception:  # noqa: BLE001 - pydicom refuses damaged files in every way there is
        return None


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("make", OBJECTS.values(), ids=OBJECTS)
def test_a_damaged_file_is_read_or_refused_without_a_word_of_the_patient(make):
    whole, refused = stored(make()), []
    assert len(found(dcmread(BytesIO(whole), force=True), SOURCE)) > 0
    for seed in range(300):
        dataset = damaged(whole, seed)
        try:
            for region in found(dataset, SOURCE) if dataset is not None else []:
                assert region.mask.shape == SOURCE.shape
        except BadInput as error:
            refused.append(str(error))
    assert len(refused) > 10
    assert not [text for text in refused if re.search("Planted|Patricia|PLANTED", text)]
