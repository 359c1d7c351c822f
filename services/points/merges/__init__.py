"""Members that were merged: each keeps its wallets, and a person spends from all of its own."""
