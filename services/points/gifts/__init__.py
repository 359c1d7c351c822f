"""Points that one member gives to another."""
