-- What one person thinks of answers: counted for them, exported and erased by their name.
CREATE INDEX feedback_by_user ON feedback (user_id);
