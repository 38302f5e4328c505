-- The placeholders of a session and what they stand for, sealed by the service: the database never sees them open.
ALTER TABLE sessions ADD COLUMN masks text;
-- The same of a turn whose answer waits for a person.
ALTER TABLE reviews ADD COLUMN masks text;
-- What the directory calls a person, where it says so: a name that is known is masked wherever it stands.
ALTER TABLE directory_people ADD COLUMN name text NOT NULL DEFAULT '';
-- Read anew at the next sync, which brings the names.
UPDATE directory_state SET hash = '';

-- As in 0006_hot_path, and gives the session's map of placeholders with what was said: {"history": [...], "masks": ...}.
CREATE OR REPLACE FUNCTION admit_turn(hold jsonb, hold_s double precision, most jsonb, session jsonb) RETURNS jsonb
LANGUAGE plpgsql AS $$
DECLARE
    turn reservations := jsonb_populate_record(
        NULL::reservations, hold || jsonb_build_object('expires_at', now() + make_interval(secs => hold_s))
    );
    held_until timestamptz := now() + make_interval(secs => (session ->> 'busy_s')::double precision);
    history jsonb := '[]';
    known text;
    spent record;
BEGIN
    IF (session ->> 'is_new')::boolean THEN
        INSERT INTO sessions (id, usecase, user_id, title, busy_turn, busy_until)
            VALUES (turn.session_id, turn.usecase, turn.user_id, session ->> 'title', turn.turn_id, held_until);
    ELSIF session IS NOT NULL THEN
        UPDATE sessions s SET busy_turn = turn.turn_id, busy_until = held_until
            WHERE s.id = turn.session_id AND s.user_id = turn.user_id AND s.usecase = turn.usecase
            AND (s.busy_turn IS NULL OR s.busy_until < now())
            RETURNING s.masks INTO known;
        IF NOT FOUND THEN
            PERFORM FROM sessions s
                WHERE s.id = turn.session_id AND s.user_id = turn.user_id AND s.usecase = turn.usecase;
            RETURN jsonb_build_object('refused', CASE WHEN FOUND THEN 'busy' ELSE 'absent' END);
        END IF;
        history := told_before(turn.session_id, (session ->> 'last')::integer, session -> 'claims');
    END IF;
    -- Last: the budgets, which many turns share, stay locked until the end.
    SELECT * INTO spent FROM reserve(turn, most);
    IF FOUND THEN
        RAISE SQLSTATE 'PB402';
    END IF;
    RETURN jsonb_build_object('history', history, 'masks', known);
EXCEPTION WHEN SQLSTATE 'PB402' THEN
    -- Everything above is undone; what was found out is not. Money travels as text: JSON's readers know floats only.
    RETURN jsonb_build_object('refused', jsonb_build_object(
        'kind', spent.kind, 'name', spent.name, 'limit_usd', spent.limit_usd::text,
        'spent_usd', spent.spent_usd::text, 'reserved_usd', spent.reserved_usd::text
    ));
END $$;

DROP FUNCTION end_turn(jsonb, jsonb, jsonb, numeric);
DROP FUNCTION record_turn(jsonb, jsonb, jsonb);

-- As in 0006_hot_path; `known` is the session's map of placeholders, NULL where it has not grown.
CREATE FUNCTION record_turn(turn jsonb, made jsonb, said jsonb, known text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    ended turns := jsonb_populate_record(NULL::turns, turn);
    in_time boolean;
BEGIN
    INSERT INTO turns SELECT ended.* ON CONFLICT DO NOTHING;
    in_time := FOUND;
    INSERT INTO calls SELECT (jsonb_populate_recordset(NULL::calls, made)).*;
    IF in_time AND said IS NOT NULL THEN
        UPDATE sessions s SET busy_turn = NULL, busy_until = NULL, updated_at = now(), masks = coalesce(known, s.masks)
            WHERE s.id = ended.session_id AND s.busy_turn = ended.id;
        IF FOUND THEN
            INSERT INTO messages (session_id, ordinal, turn_id, role, text, citations)
            SELECT ended.session_id,
                   (SELECT coalesce(max(m.ordinal), -1) FROM messages m WHERE m.session_id = ended.session_id) + s.place,
                   ended.id, s.role, s.text, s.citations
            FROM jsonb_to_recordset(said) AS s(place integer, role text, text text, citations jsonb);
        END IF;
    END IF;
    RETURN in_time;
END $$;

-- The same for a turn that leaves nothing else behind, and its budgets; these last: many turns share them.
CREATE FUNCTION end_turn(turn jsonb, made jsonb, said jsonb, known text, cost numeric) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    in_time boolean := record_turn(turn, made, said, known);
BEGIN
    PERFORM settle(
        jsonb_populate_record(NULL::reservations, turn || jsonb_build_object('turn_id', turn -> 'id', 'amount', 0)), cost
    );
    RETURN in_time;
END $$;
