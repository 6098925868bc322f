"""Every command and every Python block of the README and of the first guides is run, in the order it stands there.

Each document gets a folder of its own with `tickets.csv` and `new-tickets.csv`. The other guides are in a file of their
own, so that two processes can share them.
"""

import pytest
from documents import ROOT, name
from shown_commands import check_what_is_shown

RUN = [
    ROOT / "README.md",
    *(ROOT / f"docs/guides/{guide}.md" for guide in ("first-run", "audit", "data", "tasks", "language", "methods")),
]
"""The commands of the guide to bad input end as errors: `test_documents` compares what they print."""


@pytest.mark.slow
@pytest.mark.parametrize("document", RUN, ids=name)
def test_what_a_document_shows_runs(document, elsewhere):
    check_what_is_shown(document, elsewhere)
