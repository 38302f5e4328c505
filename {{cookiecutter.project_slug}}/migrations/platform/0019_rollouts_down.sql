DROP INDEX turns_by_arm;
ALTER TABLE turns DROP COLUMN arm;
