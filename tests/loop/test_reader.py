"""Who is asking."""

from __future__ import annotations

import pytest

from xal.errors import BadInput
from xal.loop.reader import Reader, reader_of


def test_the_signed_in_user_wins():
    assert reader_of("ada", "10.0.0.1", "dr_x") == Reader("dr_x")


def test_a_client_id_names_a_reader():
    assert reader_of(" ada ", "10.0.0.1") == Reader("ada")


def test_slicers_default_id_names_nobody_but_does_submit():
    assert reader_of("user-xyz", "10.0.0.1") == Reader("anon:10.0.0.1", never_submits=False)


@pytest.mark.parametrize("missing", [None, "", "  ", 5, ["x"]])
def test_no_id_is_a_client_that_never_submits(missing: object):
    assert reader_of(missing, "10.0.0.1") == Reader("anon:10.0.0.1", never_submits=True)


@pytest.mark.parametrize("odd", ["a\nb", "x" * 200])
def test_ids_that_cannot_be_names_are_refused(odd: str):
    with pytest.raises(BadInput, match="client_id"):
        reader_of(odd, None)
