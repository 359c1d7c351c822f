"""What a person can put right: an exception whose text says everything, and that is no mistake of the program."""


class Complaint(Exception):
    """Something is not as it must be; the text is for people."""
