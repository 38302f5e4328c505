ALTER TABLE review_actions DROP COLUMN approved;
-- One review for each turn, as it was: of several, the one that holds the answer back.
DELETE FROM reviews r USING reviews other
    WHERE other.turn_id = r.turn_id AND other.id <> r.id
    AND (other.kind NOT IN ('complaint', 'sample'), other.id) > (r.kind NOT IN ('complaint', 'sample'), r.id);
DROP INDEX reviews_open, reviews_decided;
ALTER TABLE reviews
    DROP CONSTRAINT reviews_turn_kind,
    DROP CONSTRAINT reviews_not_of_an_author,
    DROP CONSTRAINT reviews_of_people,
    DROP COLUMN kind, DROP COLUMN priority, DROP COLUMN hours, DROP COLUMN due_at, DROP COLUMN overdue_at,
    DROP COLUMN assigned_to, DROP COLUMN taken_by, DROP COLUMN taken_until, DROP COLUMN authors,
    DROP COLUMN complaint, DROP COLUMN note,
    ADD CONSTRAINT reviews_turn_id_key UNIQUE (turn_id);
CREATE INDEX reviews_open ON reviews (created_at) WHERE status = 'open';
