DROP TABLE review_actions;
ALTER TABLE reviews DROP COLUMN asker_groups, DROP COLUMN asker_unit, DROP COLUMN job_id;
