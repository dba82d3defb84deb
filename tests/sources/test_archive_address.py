"""Where an archive is, and that its password shows nowhere."""

from __future__ import annotations

import pytest

from xal.errors import BadInput
from xal.sources.address import PASSWORD, USERNAME, Address


def test_credentials_in_the_address_are_taken_out_of_it():
    address = Address.parse("http://ann:s%2Fecret@PACS:8042/dicom-web/", {})
    assert (address.url, address.login) == ("http://pacs:8042/dicom-web", ("ann", "s/ecret"))
    assert "ecret" not in repr(address)


def test_credentials_of_the_environment_are_used_where_the_address_has_none():
    environment = {USERNAME: "ann", PASSWORD: "secret"}
    address = Address.parse("https://pacs/dicom-web", environment)
    assert address.login == ("ann", "secret")
    assert address.as_environment() == environment
    assert Address.parse("https://bob:other@pacs/dicom-web", environment).login == ("bob", "other")


def test_an_archive_that_asks_for_nothing_is_told_nothing():
    address = Address.parse("http://[::1]:8042/dicom-web", {})
    assert (address.url, address.login, address.as_environment()) == ("http://[::1]:8042/dicom-web", None, {})


@pytest.mark.parametrize("studies", ["ftp://pacs/dicom-web", "http://", "/some/folder"])
def test_what_is_no_address_is_refused(studies: str):
    with pytest.raises(BadInput, match="no address of a DICOMweb server"):
        Address.parse(studies, {})
