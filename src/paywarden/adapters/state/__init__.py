"""Online state stores: LMDB (embedded) and Redis (shared)."""
