"""The scoring API beside an authenticated endpoint of the same server that does nothing."""
