-- Who put a review forward since it was opened: not always who wrote in it, and a decision that comes back needs both anew.
ALTER TABLE reviews
    ADD COLUMN put_forward_by text,
    ADD CONSTRAINT reviews_not_of_who_put_it_forward CHECK (status <> 'approved' OR decided_by <> put_forward_by);

UPDATE reviews SET put_forward_by = authors[1] WHERE status = 'open' AND cardinality(authors) > 0;
