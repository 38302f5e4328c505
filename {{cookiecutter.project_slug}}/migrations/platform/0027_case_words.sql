-- Who wrote the right answer of a captured case that is not the proposer's any more: another person accepts it.
ALTER TABLE captured_cases
    ADD COLUMN edited_by text,
    ADD CONSTRAINT captured_cases_not_of_who_wrote CHECK (status <> 'accepted' OR decided_by <> edited_by);
