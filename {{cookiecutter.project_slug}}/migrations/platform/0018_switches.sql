-- A flag has a type; a change of it may have an end (`until`), after which what stood before (`back`) holds again.
ALTER TABLE flags
    ADD COLUMN kind text NOT NULL DEFAULT 'boolean' CHECK (kind IN ('boolean', 'string', 'number', 'object')),
    ADD COLUMN until timestamptz,
    ADD COLUMN back jsonb,
    ADD CHECK ((until IS NULL) = (back IS NULL));

-- Every version that a flag ever had: who, when, why, before and after. Nothing of it is ever changed by the service.
CREATE TABLE flag_history (
    key text NOT NULL,
    version integer NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    actor text NOT NULL,
    reason text NOT NULL CHECK (reason <> ''),
    before jsonb,
    after jsonb NOT NULL,
    until timestamptz,
    PRIMARY KEY (key, version)
);
INSERT INTO flag_history (key, version, at, actor, reason, after)
SELECT key, version, changed_at, changed_by, reason, definition FROM flags;
GRANT SELECT, INSERT ON flag_history TO app_service;
