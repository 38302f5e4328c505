DROP INDEX jobs_by_time;
DROP INDEX calls_by_time;
DROP INDEX turns_by_outcome;
DROP INDEX turns_newest;
DROP INDEX turns_words;
DROP FUNCTION turn_words(text, text, jsonb);
