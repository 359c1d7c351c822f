"""The audit trail: who called what, for whom and with what verdict, in links that are chained by a keyed hash."""
