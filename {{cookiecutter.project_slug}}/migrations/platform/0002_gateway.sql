-- What the gateway knows of a call, and of a turn, beyond tokens and money.
ALTER TABLE calls
    ADD COLUMN purpose text NOT NULL DEFAULT 'answer',
    ADD COLUMN price text NOT NULL DEFAULT '',
    ADD COLUMN cached_tokens integer NOT NULL DEFAULT 0,
    ADD COLUMN wait_ms double precision NOT NULL DEFAULT 0,
    ADD COLUMN first_token_ms double precision;
ALTER TABLE turns
    ADD COLUMN tools jsonb NOT NULL DEFAULT '[]',
    ADD COLUMN route jsonb,
    ADD COLUMN saved_usd numeric(14, 8) NOT NULL DEFAULT 0,
    ADD COLUMN age_s double precision,
    ADD COLUMN shadow_of uuid;
