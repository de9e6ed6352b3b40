"""What the tests in virtual machines share: the kernel that they boot."""

from __future__ import annotations

import shutil

import pytest
from guest_image import Image, NoImage, lacking, make_image
from virtual_machine import allowed


@pytest.fixture(scope="session")
def image() -> Image:
    if missing := lacking() + ([] if shutil.which("setpriv") else ["util-linux"]):
        pytest.skip(f"missing here: {', '.join(missing)}; apt-get install --no-install-recommends {' '.join(missing)}")
    if not allowed():
        pytest.skip("only root can give a guest the whole of this machine's files to read")
    try:
        return make_image()
    except NoImage as error:
        pytest.skip(f"no kernel for the guests: {error}")
