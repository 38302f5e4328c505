DROP TABLE sign_ins, api_keys;
