"""The statement of hybrid search under rights: words and vectors, fused.

How it chooses its plan. Row-level security alone leaves the choice to the planner, which then walks the vector index
and throws away nearly everything it meets. So the asker is resolved to the numbers of the reader sets that include one
of the asker's names. When at most EXACT_UP_TO chunks carry such a number, the index on it finds exactly these and every
distance is computed; only above that does the walk along the vector index pay. Each half stands behind a condition that
is known before any row is read, so the other half costs nothing.
"""

# Visible chunks up to which every distance is computed; measured, see docs/explanation/retrieval.md.
EXACT_UP_TO = 5000
# Candidates that each of the two rankings may name.
POOL = 50
# Dampens the difference between the first places of the two rankings (Cormack, Clarke and Büttcher, 2009).
RRF_K = 60
# What a place in the ranking by vectors counts against the same place in the ranking by words.
VECTOR_WEIGHT = 0.3

SETTINGS = """
SELECT set_config('hnsw.iterative_scan', 'relaxed_order', true), set_config('hnsw.ef_search', '100', true),
       set_config('jit', 'off', true)
"""

# The filter by rights; tests take it out to prove that row-level security alone holds.
RIGHTS = "acl_id = ANY ((SELECT ids FROM mine)::int[])"
# An expression that no index holds leaves the vector index as the only way in.
_RIGHTS_NO_INDEX = RIGHTS.replace("acl_id", "acl_id + 0")
_CURRENT = "document_id <> ALL ((SELECT ids FROM superseded)::uuid[])"

_QUOTED = r"""'''' || replace(replace(spelling, '\', '\\'), '''', '''''') || ''''"""
# The parser takes the hyphen of TW-450 for a minus.
_SPELLINGS = (
    r"CASE WHEN lexeme ~ '^-?\d+$' THEN ARRAY[ltrim(lexeme, '-'), '-' || ltrim(lexeme, '-')] ELSE ARRAY[lexeme] END"
)

SEARCH = f"""
WITH mine AS MATERIALIZED (
    SELECT coalesce(array_agg(id), '{{}}') AS ids FROM acls WHERE readers && CAST(:readers AS text[])
), superseded AS MATERIALIZED (
    SELECT coalesce(array_agg(id), '{{}}') AS ids FROM documents
    WHERE usecase = :usecase AND superseded AND {RIGHTS}
), seen AS MATERIALIZED (
    SELECT count(*) AS chunks
    FROM (SELECT FROM chunks WHERE usecase = :usecase AND {RIGHTS} LIMIT {EXACT_UP_TO + 1}) AS few
), terms AS MATERIALIZED (
    SELECT CAST(string_agg({_QUOTED}, ' | ') AS tsquery) AS term
    FROM unnest(to_tsvector('english', :subject)), LATERAL unnest({_SPELLINGS}) AS spelling
    GROUP BY lexeme
), near AS (
    (SELECT id, embedding <=> CAST(:vector AS halfvec) AS distance FROM chunks
     WHERE (SELECT chunks FROM seen) <= {EXACT_UP_TO} AND usecase = :usecase AND {RIGHTS} AND {_CURRENT}
     ORDER BY (embedding <=> CAST(:vector AS halfvec)) + 0 LIMIT {POOL})
    UNION ALL
    (SELECT id, embedding <=> CAST(:vector AS halfvec) AS distance FROM chunks
     WHERE (SELECT chunks FROM seen) > {EXACT_UP_TO} AND usecase || '' = :usecase AND {_RIGHTS_NO_INDEX}
     AND {_CURRENT}
     ORDER BY embedding <=> CAST(:vector AS halfvec) LIMIT {POOL})
), matched AS MATERIALIZED (
    SELECT id, words FROM chunks
    WHERE usecase = :usecase AND {RIGHTS} AND {_CURRENT}
    AND words @@ (SELECT CAST(string_agg(CAST(term AS text), ' | ') AS tsquery) FROM terms)
    LIMIT {EXACT_UP_TO}
), rarity AS MATERIALIZED (
    SELECT term, ln(1 + (greatest(seen.chunks, hits) - hits + 0.5) / (hits + 0.5)) AS weight
    FROM (SELECT term, (SELECT count(*) FROM matched WHERE words @@ term) AS hits FROM terms) AS counted, seen
), worded AS (
    SELECT matched.id, sum(weight * ts_rank(words, term)) AS rank
    FROM matched JOIN rarity ON words @@ term GROUP BY matched.id ORDER BY rank DESC LIMIT {POOL}
), fused AS (
    SELECT id, sum(share) AS fusion FROM (
        SELECT id, 1.0 / ({RRF_K} + row_number() OVER (ORDER BY rank DESC, id)) AS share FROM worded
        UNION ALL
        SELECT id, {VECTOR_WEIGHT} / ({RRF_K} + row_number() OVER (ORDER BY distance, id)) FROM near WHERE distance < 1
    ) AS places
    GROUP BY id ORDER BY fusion DESC LIMIT :limit
)
SELECT c.id, c.document_id, c.heading, c.page, c.text, c.suspicious, d.title, d.path, d.effective_on,
       ARRAY(SELECT unnest(a.readers) INTERSECT SELECT unnest(CAST(:readers AS text[])) ORDER BY 1) AS visible_by,
       coalesce((SELECT sum(weight) FROM rarity WHERE c.words @@ term)
                / nullif((SELECT sum(weight) FROM rarity), 0), 0) AS score
FROM fused JOIN chunks c ON c.id = fused.id
JOIN documents d ON d.id = c.document_id JOIN acls a ON a.id = c.acl_id
WHERE c.usecase = :usecase AND c.{RIGHTS}
ORDER BY fusion DESC, d.effective_on DESC NULLS LAST, c.id
"""  # noqa: S608 - constants only; every value is a parameter
