"""What stands between tables and readers: figures in texts, and campaigns that are published."""
