REVOKE SELECT (id, status, lease_until) ON jobs FROM app_ingest;
DROP TABLE listed, readings;
ALTER TABLE documents DROP COLUMN version;
