"""Data in a prompt, marked off from the prompt's own words by tags that whoever wrote the data cannot have known."""

import re
from html import escape

# Tags of earlier releases, and what looks like ours: a reader of the prompt should not stumble over either.
_TAGS = re.compile(r"<(\s*/?\s*(?:passage|question|history|said|date|field|result)\b)", re.IGNORECASE)
# A placeholder, once its brackets are escaped.
_ESCAPED, _AS_GIVEN = re.compile(r"&lt;([A-Z]+_\d+)&gt;"), r"<\1>"


def tagged(tag: str, text: str, *, mark: str, **attributes: str) -> str:
    """Put text between tags that carry the turn's mark; what looks like such a tag inside is disarmed."""
    inner = _TAGS.sub(r"&lt;\1", text)
    # By chance, one time in four thousand millions; on purpose, never.
    inner = inner.replace(mark, "")
    # A placeholder is copied letter for letter: everywhere it must be written the same.
    escaped = {name: _ESCAPED.sub(_AS_GIVEN, escape(value)) for name, value in attributes.items() if value}
    named = "".join(f' {name}="{value}"' for name, value in escaped.items())
    return f"<{tag}-{mark}{named}>\n{inner}\n</{tag}-{mark}>"
