"""What the tests of this folder share."""

from __future__ import annotations

from lab_fixture import lab as lab
