-- Keys of the service accounts of config/roles.toml. Only a hash is kept: who reads this table cannot use a key.
-- NULL permissions, groups or usecases: all that the account has. Nothing here grants what the account does not hold.
CREATE TABLE api_keys (
    id text PRIMARY KEY,
    hash bytea NOT NULL UNIQUE CHECK (length(hash) = 32),
    name text NOT NULL,
    account text NOT NULL,
    permissions text[],
    groups text[],
    usecases text[],
    created_by text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    replaced_by text REFERENCES api_keys,
    revoked_at timestamptz,
    revoked_by text,
    last_used_at timestamptz
);
CREATE INDEX api_keys_by_account ON api_keys (account, created_at DESC);

-- Browsers that are signed in: the cookie is a random word, this holds its hash. `claims` is sealed.
CREATE TABLE sign_ins (
    hash bytea PRIMARY KEY CHECK (length(hash) = 32),
    user_id text NOT NULL,
    claims text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL
);
CREATE INDEX sign_ins_by_person ON sign_ins (user_id);
CREATE INDEX sign_ins_by_end ON sign_ins (expires_at);

-- What a key may do is never changed, and no key is deleted: the list of all that ever were stays true.
GRANT SELECT, INSERT ON api_keys TO app_service;
GRANT UPDATE (expires_at, replaced_by, revoked_at, revoked_by, last_used_at) ON api_keys TO app_service;
GRANT SELECT, INSERT, DELETE ON sign_ins TO app_service;
