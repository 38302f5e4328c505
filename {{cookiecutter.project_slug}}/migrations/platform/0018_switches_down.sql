DROP TABLE flag_history;
-- What would have gone back by itself goes back now: nobody would do it later.
UPDATE flags SET definition = back WHERE back IS NOT NULL;
ALTER TABLE flags DROP COLUMN kind, DROP COLUMN until, DROP COLUMN back;
