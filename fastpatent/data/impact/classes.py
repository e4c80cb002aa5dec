"""The design class of a patent in the office's national classification (USPC): D1 to D34 and D99."""

import re

COLUMNS = re.compile(r"D([ \d]\d)[ \d]{2}\d", re.ASCII)  # as in the office's XML: "D 2728" is D2/728, "D14486" is D14/486
SPOKEN = re.compile(r"D(\d{1,2})/", re.ASCII)  # as written by `fastpatent data build`: "D28/47"


def design_class(text: str) -> str | None:
    """Return the class of the first classification in a text, as in "D14"; None where there is none.

    The office uses fixed columns: "D", two for the class, three for the subclass, each padded with blanks on the left,
    then decimals. "D 2728, D2840" begins with D2, subclass 728; "D 5 59" is D5/59, "D26142" is D26/142.
    """
    found = COLUMNS.match(text) or SPOKEN.match(text)
    return f"D{int(found[1])}" if found else None
