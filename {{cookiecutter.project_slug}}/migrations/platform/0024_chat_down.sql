DROP INDEX feedback_by_user;
