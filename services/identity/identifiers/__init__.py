"""What members are known by beside accounts: kept as a keyed hash that finds it and a sealed text that shows it."""
