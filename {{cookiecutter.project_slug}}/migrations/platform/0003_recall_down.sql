DROP TABLE semantic_answers;
DROP TRIGGER corpus_grew ON documents;
DROP TRIGGER corpus_moved ON documents;
DROP TRIGGER corpus_shrank ON documents;
DROP FUNCTION corpus_changed();
DROP TABLE corpus_versions;
