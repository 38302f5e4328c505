-- What a flag was before a change, beside its definition: taking the change back gives back its end and its day as well.
-- Changes that were made before this have none of it, and give back what the flag said.
ALTER TABLE flag_history
    ADD COLUMN before_until timestamptz,
    ADD COLUMN before_back jsonb,
    ADD COLUMN before_expires_on date;
