-- Which arm of a rollout a turn was answered by: NULL and '' are none. A row without it stays possible, for processes
-- of the release before.
ALTER TABLE turns ADD COLUMN arm text;
-- The guard of a rollout looks every few seconds, and at these turns alone.
CREATE INDEX turns_by_arm ON turns (usecase, started_at) WHERE arm <> '';
