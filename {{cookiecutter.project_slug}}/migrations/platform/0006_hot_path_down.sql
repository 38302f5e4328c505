DROP FUNCTION end_turn(jsonb, jsonb, jsonb, numeric);
DROP FUNCTION record_turn(jsonb, jsonb, jsonb);
DROP FUNCTION admit_turn(jsonb, double precision, jsonb, jsonb);
DROP FUNCTION told_before(uuid, integer, jsonb);
ALTER TABLE calls DROP COLUMN ordinal;
