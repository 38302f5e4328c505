DROP TRIGGER documents_note_access ON documents;
DROP FUNCTION note_access();
DROP TABLE access_changes;
ALTER TABLE turns DROP COLUMN retrieval;
