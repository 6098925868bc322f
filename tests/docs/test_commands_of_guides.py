"""Every command and every Python block of the other guides is run, in the order it stands there.

Each document gets a folder of its own with `tickets.csv` and `new-tickets.csv`. See `test_commands_of_documents`.
"""

import pytest
from documents import ROOT, name
from shown_commands import check_what_is_shown

RUN = [ROOT / f"docs/guides/{guide}.md" for guide in ("compare", "plan", "report", "risks", "verify")]


@pytest.mark.slow
@pytest.mark.parametrize("document", RUN, ids=name)
def test_what_a_guide_shows_runs(document, elsewhere):
    check_what_is_shown(document, elsewhere)
