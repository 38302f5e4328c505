"""Questions of staff about policies and product documents, answered from what the asker may read."""
