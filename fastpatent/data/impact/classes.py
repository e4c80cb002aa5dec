"""The design class of a patent in the office's national classification (USPC): D1 to D34 and D99."""

import re

COLUMNS = re.compile(r"D([ \d]\d)[ \d]{2}\d", re.ASCII)  # as the office's XML: "D 2728" is D2/728, "D14486" is D14/486
SPOKEN = re.compile(r"D(\d{1,2})/", re.ASCII)  # as `fastpatent data build` writes them: "D28/47"


def design_class(text):
    """Return the class of the first classification that a text names, as in "D14"; None where it is none.

    The office writes in fixed columns: "D", two for the class, three for the subclass, each filled with blanks from the
    left, decimals behind. "D 2728, D2840" begins with D2, subclass 728; "D 5 59" is D5/59, "D26142" is D26/142.
    """
    found = COLUMNS.match(text) or SPOKEN.match(text)
    return f"D{int(found[1])}" if found else None
