-- The filter by rights of every statement below is `acl_id = ANY (mine)`, or `acl_id = ANY ($3)` in statements that are
-- put together. Tests take it out to prove that row-level security alone holds; `IS TRUE` around it fits no index on
-- access, which leaves the other index as the only way in.

-- The chunks whose vectors are nearest. exact: few are visible, the index on access finds these and every distance is
-- computed. index: many are; a look into the vector index gives enough visible ones, or a walk along it that goes on
-- until there are enough. index+exact: the look gave next to none, as it does where the neighbours of a question are
-- somebody else's. What a walk finds far from there is a poor choice of what is visible, and costs as much.
CREATE FUNCTION near_chunks(
    mine integer[], p_usecase text, p_space text, p_vector text, p_visible bigint, p_take integer
) RETURNS TABLE (chunk_id bigint, distance double precision, plan text)
LANGUAGE plpgsql STABLE ROWS 100
SET search_path = public, pg_temp
SET enable_seqscan = off
-- The vector index gives its rows in order; whatever else there is would have to sort them.
SET enable_sort = off
SET jit = off
SET max_parallel_workers_per_gather = 0
SET work_mem = '32MB'
SET hnsw.iterative_scan = off
SET hnsw.ef_search = 200
SET hnsw.max_scan_tuples = 60000
SET hnsw.scan_mem_multiplier = 8
AS $$
#variable_conflict use_column
DECLARE
    -- Visible chunks up to which every distance is computed.
    few constant bigint := 50000;
    vectors text := (SELECT 'vectors_' || id FROM spaces WHERE name = p_space);
    done text := 'exact';
    walk text;
    seen integer := 0;
    ids bigint[];
    distances double precision[];
BEGIN
    IF vectors IS NULL OR p_vector IS NULL OR p_visible = 0 THEN
        RETURN;
    END IF;
    IF p_visible > few THEN
        done := 'index';
        FOREACH walk IN ARRAY ARRAY['off', 'relaxed_order'] LOOP
            PERFORM set_config('hnsw.iterative_scan', walk, true);
            EXECUTE format(
                'SELECT array_agg(chunk_id), array_agg(distance) FROM ('
                ' SELECT chunk_id, embedding <=> CAST($1 AS halfvec) AS distance FROM %I'
                ' WHERE is_current AND (usecase = $2 AND acl_id = ANY ($3)) IS TRUE'
                ' ORDER BY embedding <=> CAST($1 AS halfvec) LIMIT $4) AS near', vectors)
                INTO ids, distances USING p_vector, p_usecase, mine, p_take;
            seen := coalesce(cardinality(ids), 0);
            EXIT WHEN seen >= p_take / 2 OR (seen < p_take / 10 AND p_visible <= 4 * few);
        END LOOP;
    END IF;
    IF seen < least(p_take / 10, p_visible) THEN
        done := CASE done WHEN 'index' THEN 'index+exact' ELSE done END;
        -- OFFSET 0: each distance is computed once, and no vector index is thought of.
        EXECUTE format(
            'SELECT array_agg(chunk_id), array_agg(distance) FROM ('
            ' SELECT chunk_id, distance FROM ('
            '  SELECT chunk_id, embedding <=> CAST($1 AS halfvec) AS distance FROM %I'
            '  WHERE is_current AND usecase = $2 AND acl_id = ANY ($3) OFFSET 0) AS readable'
            ' ORDER BY distance LIMIT $4) AS near', vectors)
            INTO ids, distances USING p_vector, p_usecase, mine, p_take;
    END IF;
    RETURN QUERY SELECT id, far, done FROM unnest(ids, distances) AS near (id, far);
END $$;

-- The words of a question as one condition for each: the stems that it has in the languages of what is searched.
CREATE FUNCTION question_terms(p_subject text, p_languages text[]) RETURNS tsquery[]
LANGUAGE sql STABLE
SET search_path = public, pg_temp
AS $$
    SELECT array_agg(term ORDER BY place) FROM (
        SELECT term, min(place) AS place FROM (
            SELECT place, CAST(string_agg(DISTINCT quoted, ' | ') AS tsquery) AS term
            FROM unnest(p_languages) AS language,
                 unnest(to_tsvector(CAST(language AS regconfig), p_subject)) AS token (lexeme, places, weights),
                 unnest(places) AS place,
                 -- The parser takes the hyphen of TW-450 for a minus.
                 unnest(CASE WHEN lexeme ~ '^-?\d+$' THEN ARRAY[ltrim(lexeme, '-'), '-' || ltrim(lexeme, '-')]
                        ELSE ARRAY[lexeme] END) AS spelling,
                 LATERAL (SELECT '''' || replace(replace(spelling, '\', '\\'), '''', '''''') || '''' AS quoted) AS q
            GROUP BY place
        ) AS placed GROUP BY term ORDER BY 2 LIMIT 40
    ) AS terms
$$;

-- The chunks that share words with the question, best first, and how much of it they cover: rare words count more than
-- frequent ones, as they are among what the asker may read. For each word at most `enough` chunks are looked up: what
-- a rarer one finds is complete, and the frequent ones rank it. `p_near` are ranked as well.
CREATE FUNCTION worded_chunks(
    mine integer[], p_usecase text, p_terms tsquery[], p_visible bigint, p_near bigint[]
) RETURNS TABLE (chunk_id bigint, score double precision, covered double precision)
LANGUAGE plpgsql STABLE ROWS 200
SET search_path = public, pg_temp
SET enable_seqscan = off
SET jit = off
SET max_parallel_workers_per_gather = 0
SET work_mem = '32MB'
AS $$
#variable_conflict use_column
DECLARE
    few constant bigint := 20000;
    enough constant integer := 300;
    ranked constant integer := 150;
    mark constant text := CASE WHEN p_visible > few THEN ' IS TRUE' ELSE '' END;
    every_term tsquery;
    term tsquery;
BEGIN
    IF p_terms IS NULL OR p_visible = 0 THEN
        RETURN;
    END IF;
    FOREACH term IN ARRAY p_terms LOOP
        every_term := coalesce(every_term && term, term);
    END LOOP;
    RETURN QUERY EXECUTE '
        WITH term AS MATERIALIZED (
            SELECT n, term, ids, CAST(cardinality(ids) AS double precision) AS hits
            FROM unnest($1) WITH ORDINALITY AS given (term, n), LATERAL (
                SELECT coalesce(array_agg(id), ''{}'') AS ids FROM (
                    SELECT id FROM chunks WHERE words @@ term AND is_current
                    AND (usecase = $2 AND acl_id = ANY ($3))' || mark || ' LIMIT $5 + 1
                ) AS matching
            ) AS found
        ), naming AS (
            SELECT unnest(ids) AS id, ln(1 + (greatest($4, hits) - hits + 0.5) / (hits + 0.5)) AS weight FROM term
            UNION ALL
            -- Where every word is frequent, those who hold them all must not be missed.
            (SELECT id, 1e6 FROM chunks WHERE (SELECT max(hits) FROM term) > $5 AND words @@ $6 AND is_current
             AND (usecase = $2 AND acl_id = ANY ($3))' || mark || ' LIMIT $7)
        ), candidate AS MATERIALIZED (
            (SELECT id FROM naming GROUP BY id ORDER BY sum(weight) DESC, id LIMIT $7)
            UNION SELECT unnest($8)
        ), ranked AS MATERIALIZED (
            SELECT id, n, ts_rank(words, term) AS rank FROM (
                -- The sum with an empty vector unpacks each stored one a single time.
                SELECT id, words || CAST('''' AS tsvector) AS words FROM chunks
                WHERE id = ANY (ARRAY(SELECT id FROM candidate)) AND usecase = $2 AND acl_id = ANY ($3) OFFSET 0
            ) AS text, term
        ), share AS (
            SELECT n, avg(CAST(rank > 0 AS integer)) AS ranked FROM ranked GROUP BY n
        ), rarity AS MATERIALIZED (
            SELECT n, ln(1 + (greatest($4, hits) - hits + 0.5) / (hits + 0.5)) AS weight FROM (
                -- How frequent a frequent word is shows in those that were ranked.
                SELECT n, CASE WHEN hits <= $5 THEN hits ELSE greatest(hits, $4 * ranked) END AS hits
                FROM term LEFT JOIN share USING (n)
            ) AS counted
        )
        SELECT id, sum(weight * rank), coalesce(sum(weight) FILTER (WHERE rank > 0), 0)
            / (SELECT sum(weight) FROM rarity)
        FROM ranked JOIN rarity USING (n) GROUP BY id HAVING max(rank) > 0'
        USING p_terms, p_usecase, mine, CAST(p_visible AS double precision), enough, every_term, ranked, p_near;
END $$;

-- The first lock: what these claims may read, by words and by vectors, fused (reciprocal ranks, Cormack, Clarke and
-- Büttcher, 2009). The first row names no chunk: it says how many are visible, and that none may be.
CREATE FUNCTION find_chunks(
    p_names text[], p_clearance integer, p_regions text[], p_usecase text,
    p_subject text, p_space text, p_vector text, p_take integer
) RETURNS TABLE (
    chunk_id bigint, words double precision, covered double precision, distance double precision,
    fused double precision, plan text, visible bigint
)
LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 20
SET search_path = public, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    damping constant double precision := 60;
    pool constant integer := 50;
    mine constant integer[] := visible_acls(p_names, p_clearance, p_regions);
    readable bigint;
    languages text[];
    near_ids bigint[];
    distances double precision[];
    done text;
BEGIN
    SELECT coalesce(sum(chunks), 0), array_agg(DISTINCT language) INTO readable, languages
        FROM chunk_counts WHERE usecase = p_usecase AND acl_id = ANY (mine) AND chunks > 0;
    SELECT array_agg(near.chunk_id), array_agg(near.distance), max(near.plan) INTO near_ids, distances, done
        FROM near_chunks(mine, p_usecase, p_space, p_vector, readable, 2 * pool) AS near;
    RETURN QUERY SELECT NULL::bigint, NULL::float8, NULL::float8, NULL::float8, NULL::float8,
        CASE WHEN readable = 0 THEN 'none' ELSE coalesce(done, 'words') END, readable;
    RETURN QUERY
        WITH worded AS MATERIALIZED (
            SELECT w.chunk_id AS id, w.score, w.covered, row_number() OVER (ORDER BY w.score DESC, w.chunk_id) AS place
            FROM worded_chunks(mine, p_usecase, question_terms(p_subject, languages), readable, near_ids[1:pool]) AS w
        ), near AS MATERIALIZED (
            SELECT id, far, row_number() OVER (ORDER BY far, id) AS place FROM unnest(near_ids, distances) AS n (id, far)
            WHERE far < 1
        ), weighed AS (SELECT (SELECT weight FROM spaces WHERE name = p_space) AS weight),
        fusion AS (
            SELECT id, sum(share) AS fused FROM (
                SELECT id, 1.0 / (damping + place) AS share FROM worded WHERE place <= pool
                UNION ALL SELECT id, weight / (damping + place) FROM near, weighed WHERE place <= pool
            ) AS places GROUP BY id ORDER BY 2 DESC, 1 LIMIT p_take
        )
        SELECT id, worded.score, coalesce(worded.covered, 0), near.far, fusion.fused, NULL::text, NULL::bigint
        FROM fusion LEFT JOIN worded USING (id) LEFT JOIN near USING (id);
END $$;

-- The second lock: the chunks are read under the asker's own row-level security, in the same statement. One value, so
-- that a search is one round trip and one row.
CREATE FUNCTION search_chunks(
    p_names text[], p_clearance integer, p_regions text[], p_usecase text,
    p_subject text, p_space text, p_vector text, p_take integer
) RETURNS json
LANGUAGE plpgsql VOLATILE
SET search_path = public, pg_temp
SET jit = off
AS $$
BEGIN
    PERFORM set_config('app.readers', array_to_string(p_names, E'\x1f'), true),
        set_config('app.clearance', CAST(p_clearance AS text), true),
        set_config('app.regions', array_to_string(p_regions, E'\x1f'), true);
    RETURN (
        WITH found AS MATERIALIZED (
            SELECT * FROM find_chunks(
                p_names, p_clearance, p_regions, p_usecase, p_subject, p_space, p_vector, p_take)
        ), passages AS (
            SELECT c.id, c.document_id, c.ordinal, c.heading, c.page, c.text, c.suspicious,
                   d.title, d.path, d.effective_on,
                   ARRAY(SELECT unnest(a.readers) INTERSECT SELECT unnest(p_names) ORDER BY 1) AS visible_by,
                   f.words, f.covered, f.distance, f.fused
            FROM found f JOIN chunks c ON c.id = f.chunk_id JOIN documents d ON d.id = c.document_id
            JOIN acls a ON a.id = c.acl_id
            WHERE c.usecase = p_usecase
            ORDER BY f.fused DESC, d.effective_on DESC NULLS LAST, c.id
        )
        SELECT json_build_object(
            'plan', f.plan, 'visible', f.visible,
            'passages', (SELECT coalesce(json_agg(passages), '[]') FROM passages))
        FROM found f WHERE f.chunk_id IS NULL
    );
END $$;

REVOKE EXECUTE ON FUNCTION near_chunks(integer[], text, text, text, bigint, integer),
    worded_chunks(integer[], text, tsquery[], bigint, bigint[]), question_terms(text, text[]),
    find_chunks(text[], integer, text[], text, text, text, text, integer),
    search_chunks(text[], integer, text[], text, text, text, text, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION near_chunks(integer[], text, text, text, bigint, integer),
    worded_chunks(integer[], text, tsquery[], bigint, bigint[]), question_terms(text, text[]) TO app_search;
GRANT EXECUTE ON FUNCTION find_chunks(text[], integer, text[], text, text, text, text, integer),
    search_chunks(text[], integer, text[], text, text, text, text, integer) TO app_service, app_ingest;
-- A function's owner must be able to make one.
GRANT CREATE ON SCHEMA public TO app_search;
ALTER FUNCTION find_chunks(text[], integer, text[], text, text, text, text, integer) OWNER TO app_search;
REVOKE CREATE ON SCHEMA public FROM app_search;
