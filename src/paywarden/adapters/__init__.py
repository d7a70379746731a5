"""The outside world: each adapter is a technology and a role, and imports no other adapter."""
