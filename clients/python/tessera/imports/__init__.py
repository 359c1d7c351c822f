"""Imports accounts from a file: every row is checked before any is sent, and what was sent is remembered.

An import goes through phases, each of which can break off anywhere and be taken up again:

1. **Staging** (`staging.py`): the file is read, and each row accepted or refused (`rows.py`), alone and beside the
   others.
2. **Comparing** (`comparing.py`): identity is asked which accounts it knows. What is left is planned: who is enrolled,
   and who is linked to whom.
3. **Sending** (`sending.py`): bulk calls, several in flight. Their request ids come of the import and of what a row
   says, so what was sent before a crash is answered and not done again.
4. **Checking** (`comparing.py` again): identity is asked for every row once more.

`state.py` remembers all this in a file of its own, in hashes under a key that comes of the imported file: without that
file it tells nothing about anybody. Memory does not grow with the number of rows.
"""
