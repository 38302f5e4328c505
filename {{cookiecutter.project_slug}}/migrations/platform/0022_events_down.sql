DROP INDEX jobs_failed;
DROP FUNCTION end_turn_and_tell(jsonb, jsonb, jsonb, text, numeric, uuid, jsonb, text[]);
DROP FUNCTION emit_event(uuid, text, text, text, jsonb, text[]);
DROP TABLE deliveries, events, webhooks;
