DROP INDEX turns_spending;
ALTER TABLE turns DROP COLUMN key_id;
DROP TABLE restrictions;
