"""Members that were merged: each keeps its entitlements and its use of quotas, and a person has all of them."""
