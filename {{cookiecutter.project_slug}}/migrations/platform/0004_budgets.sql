-- Per budget and period (the first day of it, UTC): what is spent, and what running turns may still cost.
-- Half of each page stays free, so that a row which changes with every turn changes in place.
CREATE TABLE budgets (
    kind text NOT NULL CHECK (kind IN ('person', 'unit', 'usecase')),
    name text NOT NULL,
    period date NOT NULL,
    spent numeric(18, 8) NOT NULL DEFAULT 0,
    reserved numeric(18, 8) NOT NULL DEFAULT 0,
    warned_at timestamptz,
    PRIMARY KEY (kind, name, period)
) WITH (fillfactor = 50);

-- One row per running turn that may cost something; one that was given up keeps its row, as what it cost is unknown.
CREATE TABLE reservations (
    turn_id uuid PRIMARY KEY,
    user_id text NOT NULL,
    usecase text NOT NULL,
    unit text NOT NULL,
    channel text NOT NULL,
    session_id uuid,
    job_id uuid,
    trace_id text NOT NULL,
    amount numeric(18, 8) NOT NULL,
    started_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    abandoned_at timestamptz
);
CREATE INDEX reservations_held ON reservations (expires_at) WHERE abandoned_at IS NULL;

-- The budgets that a turn draws on. Rows are locked in this order by everybody, so no two turns can wait for each other,
-- and the one that most turns share comes last. What the team runs by itself never uses up a person's day.
CREATE FUNCTION budgets_of(turn reservations) RETURNS TABLE (place integer, kind text, name text, period date)
LANGUAGE sql IMMUTABLE AS $$
    SELECT 1, 'person', turn.usecase || '/' || turn.user_id, (turn.started_at AT TIME ZONE 'UTC')::date
        WHERE turn.channel NOT IN ('evaluation', 'shadow')
    UNION ALL
    SELECT 2, 'unit', turn.unit, date_trunc('month', turn.started_at AT TIME ZONE 'UTC')::date WHERE turn.unit <> ''
    UNION ALL
    SELECT 3, 'usecase', turn.usecase, date_trunc('month', turn.started_at AT TIME ZONE 'UTC')::date
$$;

-- Adds to the budgets of a turn.
CREATE FUNCTION draw(turn reservations, spending numeric, reserving numeric) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    budget record;
BEGIN
    FOR budget IN SELECT * FROM budgets_of(turn) ORDER BY place LOOP
        INSERT INTO budgets AS b (kind, name, period, spent, reserved)
            VALUES (budget.kind, budget.name, budget.period, spending, reserving)
            ON CONFLICT (kind, name, period)
            DO UPDATE SET spent = b.spent + excluded.spent, reserved = b.reserved + excluded.reserved;
    END LOOP;
END $$;

-- Holds `turn.amount` in every budget of the turn; `most` gives the limit per kind (absent: none). Gives a row for the
-- first budget that has no room: the caller must then roll back. An amount of 0 holds and locks nothing.
CREATE FUNCTION reserve(turn reservations, most jsonb)
RETURNS TABLE (kind text, name text, period date, limit_usd numeric, spent_usd numeric, reserved_usd numeric)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    budget record;
    found budgets;
BEGIN
    IF turn.amount = 0 THEN
        RETURN QUERY SELECT b.kind, b.name, b.period, (most ->> b.kind)::numeric, b.spent, b.reserved
            FROM budgets_of(turn) t JOIN budgets b USING (kind, name, period)
            WHERE b.spent >= (most ->> b.kind)::numeric ORDER BY t.place LIMIT 1;
        RETURN;
    END IF;
    INSERT INTO reservations SELECT turn.*;
    FOR budget IN SELECT * FROM budgets_of(turn) ORDER BY place LOOP
        INSERT INTO budgets AS b (kind, name, period, reserved)
            VALUES (budget.kind, budget.name, budget.period, turn.amount)
            ON CONFLICT (kind, name, period) DO UPDATE SET reserved = b.reserved + excluded.reserved
            RETURNING b.* INTO found;
        IF found.spent + found.reserved > (most ->> budget.kind)::numeric THEN
            RETURN QUERY SELECT budget.kind, budget.name, budget.period, (most ->> budget.kind)::numeric, found.spent,
                found.reserved - turn.amount;
            RETURN;
        END IF;
    END LOOP;
END $$;

-- Replaces what a turn held by what it cost, also when it was given up in between, and when it held nothing.
CREATE FUNCTION settle(turn reservations, cost numeric) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    held reservations;
    counted numeric;
    freed numeric;
BEGIN
    DELETE FROM reservations r WHERE r.turn_id = turn.turn_id RETURNING r.* INTO held;
    counted := CASE WHEN held.abandoned_at IS NULL THEN 0 ELSE held.amount END;
    freed := CASE WHEN held.abandoned_at IS NULL THEN coalesce(held.amount, 0) ELSE 0 END;
    IF cost - counted <> 0 OR freed <> 0 THEN
        PERFORM draw(turn, cost - counted, -freed);
    END IF;
END $$;

-- Counts what a dead turn held as spent: the vendor may have charged it.
CREATE FUNCTION give_up(id uuid) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    held reservations;
BEGIN
    UPDATE reservations r SET abandoned_at = now() WHERE r.turn_id = id AND r.abandoned_at IS NULL
        RETURNING r.* INTO held;
    IF held.turn_id IS NOT NULL THEN
        PERFORM draw(held, held.amount, -held.amount);
    END IF;
END $$;

-- What the ledger already knows counts.
INSERT INTO budgets (kind, name, period, spent)
SELECT b.kind, b.name, b.period, sum(c.cost_usd)
FROM calls c JOIN turns t ON t.id = c.turn_id AND t.started_at = c.started_at
CROSS JOIN LATERAL budgets_of(
    ROW(t.id, t.user_id, t.usecase, t.unit, t.channel, NULL, NULL, '', 0, t.started_at, t.started_at, NULL)::reservations
) b
WHERE c.cost_usd > 0 GROUP BY 1, 2, 3;

GRANT SELECT, INSERT, UPDATE, DELETE ON budgets, reservations TO app_service;
