ALTER TABLE captured_cases
    DROP CONSTRAINT captured_cases_not_of_who_wrote,
    DROP COLUMN edited_by;
