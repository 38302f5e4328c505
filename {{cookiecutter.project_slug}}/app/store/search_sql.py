"""The statement of hybrid search under rights: words and vectors, fused.

How it chooses its plan. Row-level security alone leaves the choice to the planner, which then walks the vector index
and throws away nearly everything it meets. So the asker is resolved to the numbers of the reader sets that include one
of the asker's names. When at most EXACT_UP_TO chunks carry such a number, the index on it finds exactly these, every
distance is computed and every text is matched. Above that, the walk along the vector index names POOL_OF_MANY chunks,
and the words rank these: PostgreSQL uses no text index behind row-level security, as `@@` is not marked leakproof.
Each half stands behind a condition that is known before any row is read, so the other half costs nothing.
"""

# Visible chunks up to which every one is looked at.
EXACT_UP_TO = 5000
# Candidates that each of the two rankings may name, and that the vector index names when many chunks are visible.
POOL = 50
POOL_OF_MANY = 200
# Dampens the difference between the first places of the two rankings (Cormack, Clarke and Büttcher, 2009).
RRF_K = 60
# What a place in the ranking by vectors counts against the same place in the ranking by words.
VECTOR_WEIGHT = 0.3

# Without sequential scans the vector index is taken wherever it can be; the planner underrates what the asker sees.
SETTINGS = f"""
SELECT set_config('hnsw.iterative_scan', 'relaxed_order', true), set_config('hnsw.ef_search', '{POOL_OF_MANY}', true),
       set_config('enable_seqscan', 'off', true), set_config('max_parallel_workers_per_gather', '0', true),
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
_FEW = f"(SELECT chunks FROM seen) <= {EXACT_UP_TO}"  # noqa: S608
_MANY = f"(SELECT chunks FROM seen) > {EXACT_UP_TO}"  # noqa: S608

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
    GROUP BY lexeme ORDER BY lexeme
), near AS MATERIALIZED (
    (SELECT id, embedding <=> CAST(:vector AS halfvec) AS distance FROM chunks
     WHERE {_FEW} AND usecase = :usecase AND {RIGHTS} AND {_CURRENT}
     ORDER BY (embedding <=> CAST(:vector AS halfvec)) + 0 LIMIT {POOL})
    UNION ALL
    (SELECT id, embedding <=> CAST(:vector AS halfvec) AS distance FROM chunks
     WHERE {_MANY} AND usecase || '' = :usecase AND {_RIGHTS_NO_INDEX} AND {_CURRENT}
     ORDER BY embedding <=> CAST(:vector AS halfvec) LIMIT {POOL_OF_MANY})
), texts AS (
    -- The sum with an empty vector unpacks each stored one a single time, whatever is asked of it afterwards.
    SELECT id, words || CAST('' AS tsvector) AS words FROM (
        SELECT id, words FROM chunks WHERE {_FEW} AND usecase = :usecase AND {RIGHTS} AND {_CURRENT}
        UNION ALL
        SELECT id, words FROM chunks WHERE {_MANY} AND usecase = :usecase AND id = ANY (ARRAY(SELECT id FROM near))
        AND {_RIGHTS_NO_INDEX}
    ) AS candidates OFFSET 0
), matched AS MATERIALIZED (
    SELECT id, ARRAY(SELECT ts_rank(words, term) FROM terms) AS ranks FROM texts
    WHERE words @@ (SELECT CAST(string_agg(CAST(term AS text), ' | ') AS tsquery) FROM terms)
), ranked AS MATERIALIZED (
    SELECT id, place, rank FROM matched, unnest(ranks) WITH ORDINALITY AS each (rank, place)
), rarity AS MATERIALIZED (
    SELECT place, ln(1 + (greatest((SELECT chunks FROM seen), hits) - hits + 0.5) / (hits + 0.5)) AS weight FROM (
        SELECT place, CAST(count(*) FILTER (WHERE rank > 0) AS double precision) AS hits FROM ranked GROUP BY place
    ) AS counted
), worded AS MATERIALIZED (
    SELECT id, sum(weight * rank) AS rank,
           sum(weight) FILTER (WHERE rank > 0) / (SELECT sum(weight) FROM rarity) AS covered
    FROM ranked JOIN rarity USING (place) GROUP BY id
), fused AS (
    SELECT id, sum(share) AS fusion FROM (
        (SELECT id, 1.0 / ({RRF_K} + row_number() OVER (ORDER BY rank DESC, id)) AS share
         FROM worded ORDER BY share DESC LIMIT {POOL})
        UNION ALL
        (SELECT id, {VECTOR_WEIGHT} / ({RRF_K} + row_number() OVER (ORDER BY distance, id)) AS share
         FROM near WHERE distance < 1 ORDER BY share DESC LIMIT {POOL})
    ) AS places
    GROUP BY id ORDER BY fusion DESC LIMIT :limit
)
SELECT c.id, c.document_id, c.heading, c.page, c.text, c.suspicious, d.title, d.path, d.effective_on,
       ARRAY(SELECT unnest(a.readers) INTERSECT SELECT unnest(CAST(:readers AS text[])) ORDER BY 1) AS visible_by,
       coalesce(worded.covered, 0) AS score
FROM fused JOIN chunks c ON c.id = fused.id
JOIN documents d ON d.id = c.document_id JOIN acls a ON a.id = c.acl_id LEFT JOIN worded ON worded.id = c.id
WHERE c.usecase = :usecase AND c.{RIGHTS}
ORDER BY fusion DESC, d.effective_on DESC NULLS LAST, c.id
"""  # noqa: S608 - constants only; every value is a parameter
