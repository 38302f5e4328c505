"""What changed: a word per topic that is another one after every change, cheap enough to be read every second."""

from collections.abc import Iterable, Mapping

from app.store.db import Work

# xmin is another one after each change of a row; what is open is little, and has an index of its own.
_OPEN = "SELECT coalesce(md5(string_agg(id::text || xmin::text, ',' ORDER BY id)), '') FROM {} WHERE status = 'open'"
WORDS: Mapping[str, str] = {
    "reviews": _OPEN.format("reviews"),
    "incidents": _OPEN.format("incidents"),
    "jobs": "SELECT coalesce(max(id), 0)::text FROM job_events",
}


async def words(work: Work, topics: Iterable[str]) -> dict[str, str]:
    """Give the word of each of these topics that the database knows of."""
    asked = [topic for topic in sorted(topics) if topic in WORDS]
    if not asked:
        return {}
    rows = await work.sql("SELECT " + ", ".join(f"({WORDS[topic]}) AS {topic}" for topic in asked))
    return dict(rows.mappings().one())
