"""A PACS to try the app on: what `make pacs` runs.

Starts a local Orthanc, fills it with DICOM phantoms of every modality, and serves it as `make serve` serves a PACS.
Everything lies in var/pacs: the PACS's data, the server's state, and the truth of the phantoms.
"""

from __future__ import annotations

import argparse
import csv
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / folder) for folder in ("scripts", "tests", "tools")]

import serve  # noqa: E402
from harness.orthanc import Orthanc, missing_packages  # noqa: E402
from pydicom.uid import JPEGBaseline8Bit  # noqa: E402

from phantoms import Case, case  # noqa: E402
from phantoms.syntaxes import LOSSLESS, stored_as  # noqa: E402
from xal.sources.address import Address  # noqa: E402

USER, PASSWORD = "xal", "phantom"
"""Of the made-up PACS; it listens on this machine only."""
PICTURES = 64
"""Projections and ultrasound pictures, sixteen of each kind: enough to annotate some rounds of phantom_2d."""
SEVERAL = {"ct": 6, "mr": 6, "mr_enhanced": 2, "us_cine": 2, "us_doppler": 2, "cr_signed": 2}
"""How many of the other kinds."""
SYNTAXES = [LOSSLESS[name] for name in ("explicit", "jpeg-2000", "rle", "jpeg-lossless", "jpeg-ls")]


def phantoms() -> Iterator[Case]:
    """What the PACS holds, in one transfer syntax after the other."""
    for number in range(PICTURES):
        kind = ("dx", "cr", "mg", "us")[number % 4]
        syntax = JPEGBaseline8Bit if kind == "us" and number % 8 == 3 else SYNTAXES[number // 4 % len(SYNTAXES)]
        yield stored_as(case(kind, number), syntax)
    for kind, count in SEVERAL.items():
        for number in range(PICTURES, PICTURES + count):
            yield stored_as(case(kind, number), SYNTAXES[number % len(SYNTAXES)])


def fill(orthanc: Orthanc, truth: Path) -> str:
    """Store what is not there yet, and write down what it shows; the study of one CT."""
    there = set(orthanc.series())
    some_ct = ""
    with truth.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["series", "kind", "finding"])
        for one in phantoms():
            if one.series not in there:
                orthanc.upload(one.instances)
            table.writerow([one.series, one.kind, one.finding])
            some_ct = some_ct or (one.study if one.kind == "ct" else "")
    return some_ct


def what_to_open(address: str, orthanc: Orthanc, task: str, study: str) -> str:
    """What a newcomer does next."""
    return f"""
  Serving task {task} from a PACS of made-up patients: {orthanc.count("series")} series of CT, MR, CR, DX, MG and US

    the page     {address}/xal/     read, outline, hand in, and see why
    OHIF         {address}/ohif/    the study list; one CT with the MONAI Label panel:
                 {address}/ohif/monai-label?StudyInstanceUIDs={study}
    3D Slicer    module MONAILabel: server {address}, then Next Sample
    the PACS     {orthanc.url}/     user {USER}, password {PASSWORD}; DICOMweb at /dicom-web

  CT and MR are for TASK=phantom_3d. Ctrl-C stops both; nothing handed in is lost.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Start, fill, serve; end both together."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8000, help="the app's; OHIF's panel expects 8000")
    parser.add_argument("--pacs-port", type=int, default=8142, help="not 8042: there an installed Orthanc may run")
    parser.add_argument("--task", default="phantom_2d", help="name of a shipped task, or a task file")
    parser.add_argument("--folder", type=Path, default=ROOT / "var" / "pacs")
    chosen = parser.parse_args(arguments)
    missing = missing_packages()
    if missing:
        print(f"make pacs: missing, as root: apt-get install {' '.join(missing)}", file=sys.stderr)
        return 2
    for port, name in ((chosen.port, "PORT"), (chosen.pacs_port, "PACS_PORT")):
        try:
            serve.check_port("127.0.0.1", port)
        except serve.ServeError:
            print(f"make pacs: cannot listen on port {port}; try make pacs {name}=<another>", file=sys.stderr)
            return 2
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    orthanc = Orthanc(chosen.folder.resolve() / "orthanc", USER, PASSWORD, chosen.pacs_port)
    try:
        orthanc.start()
        print("Filling the PACS with phantoms ...", flush=True)
        study = fill(orthanc, chosen.folder / "truth.csv")
        return _serve(orthanc, chosen.port, chosen.task, study, chosen.folder.resolve() / "state")
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    finally:
        orthanc.stop()


def _serve(orthanc: Orthanc, port: int, task: str, study: str, state: Path) -> int:
    archive = Address.parse(orthanc.dicom_web)
    command = serve.server_command(archive.url, "127.0.0.1", port, task)
    address = serve.base_address("127.0.0.1", port)
    variables = {**archive.as_environment(), "XDG_DATA_HOME": str(state)}
    return serve.run(command, address, what_to_open(address, orthanc, task, study), variables)


if __name__ == "__main__":
    sys.exit(main())
