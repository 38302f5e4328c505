ALTER TABLE flag_history
    DROP COLUMN before_until,
    DROP COLUMN before_back,
    DROP COLUMN before_expires_on;
