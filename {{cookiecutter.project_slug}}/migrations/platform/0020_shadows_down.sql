DO $$ DECLARE held reservations; BEGIN
    FOR held IN SELECT * FROM reservations WHERE channel = 'shadow' AND abandoned_at IS NULL FOR UPDATE LOOP
        PERFORM draw(held, 0, -held.amount);
    END LOOP;
END $$;
CREATE OR REPLACE FUNCTION budgets_of(turn reservations)
RETURNS TABLE (place integer, kind text, name text, period date)
LANGUAGE sql IMMUTABLE AS $$
    SELECT 1, 'person', turn.usecase || '/' || turn.user_id, (turn.started_at AT TIME ZONE 'UTC')::date
        WHERE turn.channel NOT IN ('evaluation', 'shadow')
    UNION ALL
    SELECT 2, 'unit', turn.unit, date_trunc('month', turn.started_at AT TIME ZONE 'UTC')::date WHERE turn.unit <> ''
    UNION ALL
    SELECT 3, 'usecase', turn.usecase, date_trunc('month', turn.started_at AT TIME ZONE 'UTC')::date
$$;
DO $$ DECLARE held reservations; BEGIN
    FOR held IN SELECT * FROM reservations WHERE channel = 'shadow' AND abandoned_at IS NULL LOOP
        PERFORM draw(held, 0, held.amount);
    END LOOP;
END $$;
-- What shadows cost was the use case's before.
INSERT INTO budgets AS b (kind, name, period, spent)
    SELECT 'usecase', name, period, spent FROM budgets WHERE kind = 'shadow'
    ON CONFLICT (kind, name, period) DO UPDATE SET spent = b.spent + excluded.spent;
DELETE FROM budgets WHERE kind = 'shadow';
ALTER TABLE budgets DROP CONSTRAINT budgets_kind_check;
ALTER TABLE budgets ADD CONSTRAINT budgets_kind_check CHECK (kind IN ('person', 'unit', 'usecase'));
DROP TABLE comparisons;
DROP TABLE shadow_runs;
DROP TABLE shadow_waiting;
DROP TABLE captured_cases;
