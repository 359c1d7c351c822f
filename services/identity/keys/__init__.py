"""The members' data keys: wrapped by master keys, opened for who needs them, wrapped anew when a master key goes."""
