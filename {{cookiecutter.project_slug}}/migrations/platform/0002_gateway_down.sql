ALTER TABLE calls DROP COLUMN purpose, DROP COLUMN price, DROP COLUMN cached_tokens, DROP COLUMN wait_ms,
    DROP COLUMN first_token_ms;
ALTER TABLE turns DROP COLUMN tools, DROP COLUMN route, DROP COLUMN saved_usd, DROP COLUMN age_s, DROP COLUMN shadow_of;
