"""What outlives a run: the audit trail. SQLite by default, PostgreSQL by URL."""
