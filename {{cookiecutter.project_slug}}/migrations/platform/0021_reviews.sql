-- The queue of what waits for a person: of which kind, how urgent, until when, and in whose hands.
ALTER TABLE reviews
    DROP CONSTRAINT reviews_turn_id_key,
    ADD COLUMN kind text NOT NULL DEFAULT 'escalation' CHECK (
        kind IN ('escalation', 'advise', 'action', 'confidence', 'incident', 'complaint', 'sample')
    ),
    ADD COLUMN priority smallint NOT NULL DEFAULT 3 CHECK (priority BETWEEN 1 AND 5),
    -- How long a person has: what is opened again is due so long after.
    ADD COLUMN hours double precision NOT NULL DEFAULT 24 CHECK (hours > 0),
    ADD COLUMN due_at timestamptz NOT NULL DEFAULT now() + interval '24 hours',
    -- Since when it is known, and told, that nobody decided in time.
    ADD COLUMN overdue_at timestamptz,
    ADD COLUMN assigned_to text,
    ADD COLUMN taken_by text,
    ADD COLUMN taken_until timestamptz,
    -- Who wrote what is to be approved: none of them may approve it.
    ADD COLUMN authors text[] NOT NULL DEFAULT '{}',
    ADD COLUMN complaint text,
    ADD COLUMN note text,
    ADD CONSTRAINT reviews_turn_kind UNIQUE (turn_id, kind),
    ADD CONSTRAINT reviews_not_of_an_author CHECK (status <> 'approved' OR NOT coalesce(decided_by, '') = ANY (authors)),
    -- Decisions of programs that stand from before are left alone.
    ADD CONSTRAINT reviews_of_people CHECK (decided_by NOT LIKE 'service:%') NOT VALID;

UPDATE reviews r SET kind = CASE
    WHEN EXISTS (SELECT FROM review_actions a WHERE a.review_id = r.id) THEN 'action'
    WHEN starts_with(why, 'incident, ') THEN 'incident'
    WHEN why = 'a person decides' THEN 'advise'
    ELSE 'escalation'
END;

DROP INDEX reviews_open;
CREATE INDEX reviews_open ON reviews (priority, due_at) WHERE status = 'open';
CREATE INDEX reviews_decided ON reviews (decided_at DESC) WHERE status <> 'open';

-- The seal of what was approved: what runs is compared with it.
ALTER TABLE review_actions ADD COLUMN approved text NOT NULL DEFAULT '';
