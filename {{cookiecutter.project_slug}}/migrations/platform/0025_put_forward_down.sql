ALTER TABLE reviews DROP COLUMN put_forward_by;
